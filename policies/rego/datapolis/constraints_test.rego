package datapolis.constraints_test

import data.datapolis
import data.datapolis.fixture_test as fixture

allows(constraint) if datapolis.decision.allow with input as fixture.constrained(constraint)

purpose(operator, operand) := {"leftOperand": "purpose", "operator": operator, "rightOperand": operand}

test_purpose_is_a if {
	allows(purpose("isA", fixture.dpv("ServiceProvision")))
	allows(purpose("isA", fixture.dpv("ServiceManagement")))
	allows(purpose("isA", fixture.dpv("Purpose")))
	not allows(purpose("isA", fixture.dpv("Marketing")))
}

test_purpose_any_of if {
	allows(purpose("isAnyOf", [fixture.dpv("Marketing"), fixture.dpv("ServiceManagement")]))
	not allows(purpose("isAnyOf", [fixture.dpv("Marketing")]))
	not allows(purpose("isAnyOf", []))
}

test_purpose_none_of if {
	allows(purpose("isNoneOf", [fixture.dpv("Marketing")]))
	not allows(purpose("isNoneOf", [fixture.dpv("Marketing"), fixture.dpv("ServiceManagement")]))
}

test_unknown_purpose_is_not_none_of if {
	document := object.union(
		fixture.constrained(purpose("isNoneOf", [fixture.dpv("Marketing")])),
		{"purpose": "urn:x:unknown"},
	)
	not datapolis.decision.allow with input as document
}

test_purpose_eq if {
	allows(purpose("eq", fixture.dpv("ServiceProvision")))
	not allows(purpose("eq", fixture.dpv("ServiceManagement")))
}

test_role if {
	document := object.union(
		fixture.constrained({"leftOperand": "role", "operator": "eq", "rightOperand": "steward:mobility"}),
		{"caller": {"roles": ["steward:mobility"]}},
	)
	datapolis.decision.allow with input as document
	not allows({"leftOperand": "role", "operator": "eq", "rightOperand": "steward:mobility"})
}

test_any_role if {
	document := object.union(
		fixture.constrained({"leftOperand": "role", "operator": "isAnyOf", "rightOperand": ["a", "b"]}),
		{"caller": {"roles": ["b"]}},
	)
	datapolis.decision.allow with input as document
	not allows({"leftOperand": "role", "operator": "isAnyOf", "rightOperand": ["a", "b"]})
}

test_date_time if {
	every case in [
		["lt", "2026-11-22T05:00:01Z", "2026-11-22T05:00:00Z"],
		["lteq", "2026-11-22T05:00:00Z", "2026-11-22T04:59:59Z"],
		["gt", "2026-11-22T04:59:59Z", "2026-11-22T05:00:00Z"],
		["gteq", "2026-11-22T05:00:00Z", "2026-11-22T05:00:01Z"],
	] {
		allows({"leftOperand": "dateTime", "operator": case[0], "rightOperand": case[1]})
		not allows({"leftOperand": "dateTime", "operator": case[0], "rightOperand": case[2]})
	}
}

test_a_time_constraint_bounds_the_decision if {
	limit := {"leftOperand": "dateTime", "operator": "lt", "rightOperand": "2026-11-22T05:10:00Z"}
	answer := datapolis.decision with input as fixture.constrained(limit)
	answer.until == "2026-11-22T05:10:00Z"
}

test_unknown_constraints_do_not_hold if {
	not allows({"leftOperand": "spatial", "operator": "eq", "rightOperand": "urn:x"})
	not allows(purpose("isPartOf", fixture.dpv("ServiceProvision")))
}

test_all_constraints_must_hold if {
	not datapolis.decision.allow with input as fixture.permitting({"constraint": [
		purpose("isA", fixture.dpv("ServiceProvision")),
		purpose("isA", fixture.dpv("Marketing")),
	]})
}
