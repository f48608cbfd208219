UPDATE catalog.verdicts v SET jws = g.jws
FROM jsonb_to_recordset($1::jsonb) AS g(domain text, version integer, jws text)
WHERE v.domain = g.domain AND v.version = g.version
