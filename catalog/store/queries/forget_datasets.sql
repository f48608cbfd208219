DELETE FROM catalog.datasets WHERE gone_at < $1
