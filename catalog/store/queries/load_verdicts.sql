SELECT domain, version, status, failing, reason, since, last_at, expires
FROM (SELECT v.*, row_number() OVER (PARTITION BY domain ORDER BY version DESC) AS age
      FROM catalog.verdicts v WHERE domain = ANY ($1)) v
WHERE age <= $2
ORDER BY domain, version
