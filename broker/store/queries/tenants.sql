-- name: schema
SELECT schema FROM broker.tenants WHERE tenant = $1

-- name: create
SELECT broker.create_tenant($1)
