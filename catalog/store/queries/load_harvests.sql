SELECT domain, first_at, at, facts::text AS facts FROM catalog.harvests ORDER BY position, domain
