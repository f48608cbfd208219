-- How often each scope occurs, for the planner: it makes no use of what ANALYZE finds about the expression of a partial
-- index, took every scope for rare, and sorted all entities of a common one to give a page of them.

SELECT broker.add_tenant_ddl('scope_statistics', $ddl$
CREATE STATISTICS {schema}.entities_scope_roots ON (broker.scope_roots(scopes)) FROM {schema}.entities;
$ddl$);
