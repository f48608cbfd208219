package datapolis.fixture_test

vehicle := "https://smartdatamodels.org/dataModel.Transportation/Vehicle"

dpv(term) := sprintf("https://w3id.org/dpv#%s", [term])

permission := {
	"action": ["read", "subscribe"],
	"target": {"types": [vehicle]},
	"constraint": [{"leftOperand": "purpose", "operator": "isA", "rightOperand": dpv("ServiceProvision")}],
	"duty": [{"kind": "quota", "value": "10000/P1D"}],
}

agreement := {
	"uid": "urn:agreement:vendor",
	"version": 3,
	"status": "active",
	"spent": false,
	"domain": "mobility",
	"assigner": "urn:party:city",
	"assignee": "urn:party:vendor",
	"valid": {"from": "2026-01-01T00:00:00Z", "until": "2027-01-01T00:00:00Z"},
	"permission": [permission],
	"prohibition": [],
}

request := {
	"caller": {"party": "urn:party:vendor", "sub": "app", "tier": "vendor", "roles": []},
	"purpose": dpv("ServiceProvision"),
	"action": "read",
	"tenant": "default",
	"now": "2026-11-22T05:00:00.000Z",
	"agreements": [agreement],
}

# The request with the agreement changed by the members of `change`.
having(change) := object.union(request, {"agreements": [object.union(agreement, change)]})

# The agreement with its one permission changed by the members of `change`.
permitting(change) := having({"permission": [object.union(permission, change)]})

constrained(constraint) := permitting({"constraint": [constraint]})
