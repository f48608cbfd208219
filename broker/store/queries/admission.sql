-- name: publish
SELECT a.tenant, a.domain, p.value -> 'target' -> 'feeds' AS feeds, p.value -> 'target' -> 'types' AS types
FROM policies.agreements AS a
CROSS JOIN LATERAL jsonb_array_elements(a.body -> 'permission') AS p
WHERE a.current AND a.status = 'active' AND now() >= a.valid_from AND now() < a.valid_until
    AND p.value -> 'action' ? 'publish'

-- name: tenants
SELECT tenant, schema FROM broker.tenants
