package datapolis.stewardship_test

import data.datapolis.fixture_test as fixture
import data.datapolis.stewardship

stewards := object.union(fixture.agreement, {
	"uid": "urn:agreement:steward",
	"assignee": "urn:party:steward",
	"permission": [{
		"action": ["manage"],
		"target": {"types": [fixture.vehicle]},
		"constraint": [{"leftOperand": "role", "operator": "isAnyOf", "rightOperand": ["steward:mobility"]}],
		"duty": [],
	}],
})

matter := {
	"act": "approve",
	"domain": {"name": "mobility", "classification": "open", "four_eyes": false},
	"assignee": "urn:party:vendor",
	"approvals": [],
	"assessment": null,
}

request := object.union(fixture.request, {
	"action": "manage",
	"caller": {"party": "urn:party:steward", "sub": "ada", "tier": "steward", "roles": ["steward:mobility"]},
	"agreements": [stewards],
	"matter": matter,
})

about(change) := object.union(request, {"matter": object.union(matter, change)})

by(change) := object.union(request, {"caller": object.union(request.caller, change)})

reasons(given) := {item.reason |
	ruling := stewardship.ruling with input as given
	ruling.allow == false
	some item in ruling.reasons
}

test_a_steward_approves if {
	ruling := stewardship.ruling with input as request
	ruling == {"allow": true, "complete": true}
}

test_empty_input_is_refused if {
	ruling := stewardship.ruling with input as {}
	ruling.reasons[0].reason == "malformed"
}

test_every_steward_act_needs_the_role if {
	every act in stewardship.steward_acts {
		"not_steward" in reasons(object.union(by({"roles": []}), {"matter": object.union(matter, {"act": act})}))
	}
}

test_a_steward_of_another_domain_is_none if {
	reasons(about({"domain": {"name": "water", "classification": "open", "four_eyes": false}})) == {"not_steward"}
}

test_a_suspended_stewardship_is_none if {
	reasons(object.union(request, {"agreements": [object.union(stewards, {"status": "suspended"})]})) == {"not_steward"}
}

test_other_actions_make_no_steward if {
	reasons(object.union(request, {"action": "read"})) == {"not_steward"}
}

test_two_persons_where_the_domain_wants_them if {
	domain := {"name": "mobility", "classification": "open", "four_eyes": true}
	first := stewardship.ruling with input as about({"domain": domain})
	first == {"allow": true, "complete": false}
	same := {"domain": domain, "approvals": [{"party": "urn:party:steward", "person": "ada"}]}
	reasons(about(same)) == {"same_person"}
	other := {"domain": domain, "approvals": [{"party": "urn:party:steward", "person": "bob"}]}
	second := stewardship.ruling with input as about(other)
	second == {"allow": true, "complete": true}
}

test_nobody_approves_the_own_case if {
	reasons(about({"assignee": "urn:party:steward"})) == {"own_case"}
}

test_personal_data_need_an_assessment if {
	every classification in ["personal", "sensitive"] {
		domain := {"name": "mobility", "classification": classification, "four_eyes": false}
		reasons(about({"domain": domain})) == {"assessment_needed"}
		old := {"id": "urn:a", "valid_until": "2026-01-01T00:00:00Z"}
		reasons(about({"domain": domain, "assessment": old})) == {"assessment_needed"}
		current := {"id": "urn:a", "valid_until": "2027-01-01T00:00:00Z"}
		ruling := stewardship.ruling with input as about({"domain": domain, "assessment": current})
		ruling.allow
		reasons(about({"domain": domain, "act": "resume"})) == {"assessment_needed"}
		suspension := stewardship.ruling with input as about({"domain": domain, "act": "suspend"})
		suspension.allow
	}
}

test_who_may_apply if {
	vendor := {"party": "urn:party:vendor", "sub": "v", "tier": "vendor", "roles": []}
	every assignee in ["tier:vendor", "tier:public", "urn:party:vendor"] {
		ruling := stewardship.ruling with input as object.union(
			by(vendor),
			{"matter": object.union(matter, {"act": "apply", "assignee": assignee})},
		)
		ruling.allow
	}
	every assignee in ["tier:researcher", "urn:party:other"] {
		reasons(object.union(
			by(vendor),
			{"matter": object.union(matter, {"act": "apply", "assignee": assignee})},
		)) == {"not_offered"}
	}
}

test_the_public_applies_for_nothing if {
	public := {"party": "public", "sub": "", "tier": "public", "roles": []}
	reasons(object.union(
		by(public),
		{"matter": object.union(matter, {"act": "apply", "assignee": "tier:public"})},
	)) == {"no_person", "no_token"}
}

test_own_acts_are_the_party_s_and_the_steward_s if {
	every act in stewardship.own_acts {
		given := {"matter": object.union(matter, {"act": act})}
		vendor := {"party": "urn:party:vendor", "sub": "v", "tier": "vendor", "roles": []}
		own := stewardship.ruling with input as object.union(by(vendor), given)
		own.allow
		ours := stewardship.ruling with input as object.union(request, given)
		ours.allow
		reasons(object.union(by({"party": "urn:party:other", "roles": []}), given)) == {"not_yours"}
	}
}

test_unknown_acts_are_refused if {
	reasons(about({"act": "burn"})) == {"unknown_act"}
}
