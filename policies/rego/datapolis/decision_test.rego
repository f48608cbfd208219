package datapolis_test

import data.datapolis
import data.datapolis.fixture_test as fixture

granted := {{"agreement": "urn:agreement:vendor", "version": 3, "types": [fixture.vehicle]}}

test_granted_with_duties_and_expiry if {
	answer := datapolis.decision with input as fixture.request
	answer == {
		"allow": true,
		"grants": granted,
		"prohibitions": set(),
		"duties": {{"agreement": "urn:agreement:vendor", "kind": "quota", "value": "10000/P1D"}},
		"until": "2027-01-01T00:00:00Z",
	}
}

test_malformed_input_is_refused if {
	every member in ["caller", "purpose", "action", "tenant", "agreements", "now"] {
		answer := datapolis.decision with input as object.remove(fixture.request, [member])
		answer == {
			"allow": false,
			"reason": "no_agreement",
			"detail": "The request is not in the form that a decision needs.",
		}
	}
}

test_empty_input_is_refused if {
	not datapolis.decision.allow with input as {}
}

test_purpose_narrower_is_granted if {
	datapolis.decision.allow with input as object.union(fixture.request, {"purpose": "urn:narrow"})
		with data.datapolis.purposes as {"urn:narrow": [fixture.dpv("ServiceProvision")]}
}

test_purpose_broader_is_refused if {
	answer := datapolis.decision with input as object.union(
		fixture.request,
		{"purpose": fixture.dpv("ServiceManagement")},
	)
	answer.reason == "purpose_not_covered"
}

test_other_action_is_refused if {
	answer := datapolis.decision with input as object.union(fixture.request, {"action": "export"})
	answer == {
		"allow": false,
		"reason": "no_agreement",
		"detail": "No agreement lets urn:party:vendor export in tenant default.",
		"until": "2027-01-01T00:00:00Z",
	}
}

test_prohibition_of_attributes_is_returned if {
	hidden := {"types": [fixture.vehicle], "attrs": {"only": ["https://x/plate"]}}
	answer := datapolis.decision with input as fixture.having({"prohibition": [{
		"action": ["read"],
		"target": hidden,
		"constraint": [],
	}]})
	answer.allow
	answer.prohibitions == {hidden}
	answer.grants == granted
}

test_prohibition_of_the_whole_type_refuses if {
	answer := datapolis.decision with input as fixture.having({"prohibition": [{
		"action": ["read"],
		"target": {"types": [fixture.vehicle]},
		"constraint": [],
	}]})
	answer == {
		"allow": false,
		"reason": "prohibited",
		"detail": "Prohibited by urn:agreement:vendor.",
		"domain": "mobility",
		"until": "2027-01-01T00:00:00Z",
	}
}

test_prohibition_for_another_purpose_is_left_out if {
	answer := datapolis.decision with input as fixture.having({"prohibition": [{
		"action": ["read"],
		"target": {"types": [fixture.vehicle]},
		"constraint": [{"leftOperand": "purpose", "operator": "isA", "rightOperand": fixture.dpv("Marketing")}],
	}]})
	answer.allow
	answer.prohibitions == set()
}

test_prohibition_of_one_type_leaves_the_others if {
	target := {"types": [fixture.vehicle, "https://x/Stop"]}
	answer := datapolis.decision with input as fixture.having({
		"permission": [object.union(fixture.permission, {"target": target})],
		"prohibition": [{"action": ["read"], "target": {"types": [fixture.vehicle]}, "constraint": []}],
	})
	answer.allow
	count(answer.grants) == 1
}

test_agreements_add_up if {
	public := object.union(fixture.agreement, {
		"uid": "urn:agreement:public",
		"assignee": "tier:public",
		"permission": [{
			"action": ["read"],
			"target": {"types": [fixture.vehicle], "attrs": {"only": ["https://x/name"]}},
			"constraint": [],
			"duty": [],
		}],
	})
	answer := datapolis.decision with input as object.union(
		fixture.request,
		{"agreements": [fixture.agreement, public]},
	)
	count(answer.grants) == 2
	{grant.agreement | some grant in answer.grants} == {"urn:agreement:vendor", "urn:agreement:public"}
}

test_expiry_is_the_next_change if {
	later := fixture.having({"valid": {"from": "2026-11-22T06:00:00Z", "until": "2027-01-01T00:00:00Z"}})
	answer := datapolis.decision with input as later
	not answer.allow
	answer.reason == "no_agreement"
	answer.until == "2026-11-22T06:00:00Z"
}
