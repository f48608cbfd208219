SELECT domain, first_at, at, facts FROM catalog.harvests ORDER BY position, domain
