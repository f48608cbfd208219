package datapolis.refusal_test

import data.datapolis
import data.datapolis.fixture_test as fixture

refused(document) := answer if {
	answer := datapolis.decision with input as document
	not answer.allow
}

test_no_agreement if {
	answer := refused(object.union(fixture.request, {"agreements": []}))
	answer == {
		"allow": false,
		"reason": "no_agreement",
		"detail": "No agreement lets urn:party:vendor read in tenant default.",
	}
}

test_purpose_not_covered if {
	answer := refused(object.union(fixture.request, {"purpose": fixture.dpv("Marketing")}))
	answer == {
		"allow": false,
		"reason": "purpose_not_covered",
		"detail": concat("", [
			"The purpose https://w3id.org/dpv#Marketing is not covered. ",
			"Covered: https://w3id.org/dpv#ServiceProvision.",
		]),
		"domain": "mobility",
		"until": "2027-01-01T00:00:00Z",
	}
}

test_purposes_are_listed_as_words if {
	every case in [
		["isAnyOf", "Covered: https://w3id.org/dpv#Advertising."],
		["isNoneOf", "Covered: any purpose other than https://w3id.org/dpv#Advertising."],
	] {
		document := object.union(
			fixture.constrained({
				"leftOperand": "purpose",
				"operator": case[0],
				"rightOperand": [fixture.dpv("Advertising")],
			}),
			{"purpose": "urn:x:unknown"},
		)
		endswith(refused(document).detail, case[1])
	}
}

test_suspended if {
	every status in ["suspended", "revoked"] {
		answer := refused(fixture.having({"status": status}))
		answer.reason == "suspended"
		answer.detail == "Suspended or revoked: urn:agreement:vendor."
		answer.domain == "mobility"
	}
}

test_expired_by_status if {
	refused(fixture.having({"status": "expired"})).reason == "expired"
}

test_expired_by_time if {
	answer := refused(fixture.having({"valid": {"from": "2026-01-01T00:00:00Z", "until": "2026-11-22T05:00:00Z"}}))
	answer.reason == "expired"
	answer.detail == "Expired: urn:agreement:vendor."
	not answer.until
}

test_quota if {
	answer := refused(fixture.having({"spent": true, "spent_until": "2026-11-23T00:00:00.000Z"}))
	answer.until == "2026-11-23T00:00:00.000Z"
	answer.reason == "quota"
	answer.detail == "The quota is used up: urn:agreement:vendor."
}

test_offered_is_no_agreement if {
	refused(fixture.having({"status": "offered"})).reason == "no_agreement"
}

open_to_all := object.union(fixture.agreement, {
	"uid": "urn:agreement:public",
	"assignee": "tier:public",
	"domain": "environment",
	"permission": [object.union(fixture.permission, {"constraint": [{
		"leftOperand": "purpose",
		"operator": "isNoneOf",
		"rightOperand": [fixture.dpv("Marketing"), fixture.dpv("Advertising")],
	}]})],
})

for_marketing(agreements) := refused(object.union(
	fixture.request,
	{"purpose": fixture.dpv("Marketing"), "agreements": agreements},
))

test_what_is_covered_stands_apart_from_what_is_not if {
	endswith(for_marketing([fixture.agreement, open_to_all]).detail, concat("", [
		"Covered: https://w3id.org/dpv#ServiceProvision; ",
		"also any purpose other than https://w3id.org/dpv#Advertising or https://w3id.org/dpv#Marketing.",
	]))
	endswith(
		for_marketing([open_to_all]).detail,
		"Covered: any purpose other than https://w3id.org/dpv#Advertising or https://w3id.org/dpv#Marketing.",
	)
}

test_the_own_agreement_names_the_domain if {
	for_marketing([fixture.agreement, open_to_all]).domain == "mobility"
	for_marketing([open_to_all]).domain == "environment"
	elsewhere := object.union(open_to_all, {"uid": "urn:agreement:everywhere", "domain": "requests"})
	for_marketing([fixture.agreement, open_to_all, elsewhere]).domain == "mobility"
	not for_marketing([open_to_all, elsewhere]).domain
}

test_two_domains_name_none if {
	other := object.union(fixture.agreement, {"uid": "urn:agreement:other", "domain": "environment"})
	answer := refused(object.union(fixture.request, {
		"purpose": fixture.dpv("Marketing"),
		"agreements": [fixture.agreement, other],
	}))
	not answer.domain
}
