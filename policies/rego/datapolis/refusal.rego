# METADATA
# title: Refusals
# description: |
#   Why a request is refused, as near to the caller's own agreement as it comes: prohibited, quota, suspended, expired,
#   purpose_not_covered, else no_agreement; with plain words and the domain whose terms one may apply under.
package datapolis.refusal

import data.datapolis.constraints

# METADATA
# title: Answer
# description: The refusal; `domain` only where exactly one domain is concerned.
answer := object.union(
	{"allow": false, "reason": reason, "detail": details[reason]},
	domain,
)

# METADATA
# title: Own agreements
# description: The caller's agreements that would allow the action were they in force.
own contains agreement if {
	some agreement in input.agreements
	some permission in agreement.permission
	input.action in permission.action
	constraints.satisfied(permission)
}

# METADATA
# title: Agreements for another purpose
# description: In force and with the action, but for purposes that do not include the request's.
other_purpose contains agreement if {
	some agreement in input.agreements
	constraints.in_force(agreement)
	some permission in agreement.permission
	input.action in permission.action
	constraints.satisfied_but_purpose(permission)
}

# METADATA
# title: Prohibiting agreements
# description: In force, and forbidding the action for whole types, for this purpose too.
forbidding contains agreement if {
	some agreement in input.agreements
	constraints.in_force(agreement)
	some prohibition in agreement.prohibition
	input.action in prohibition.action
	constraints.satisfied(prohibition)
	every member in ["attrs", "q", "scopeQ", "area"] {
		not member in object.keys(prohibition.target)
	}
}

# METADATA
# title: Spent agreements
# description: Own agreements whose quota is used up.
spent contains agreement if {
	some agreement in own
	agreement.status == "active"
	agreement.spent
	not constraints.ended(agreement)
}

# METADATA
# title: Suspended agreements
# description: Own agreements that a steward has suspended or revoked.
suspended contains agreement if {
	some agreement in own
	agreement.status in {"suspended", "revoked"}
}

# METADATA
# title: Expired agreements
# description: Own agreements whose time is over.
expired contains agreement if {
	some agreement in own
	agreement.status == "expired"
}

expired contains agreement if {
	some agreement in own
	agreement.status == "active"
	constraints.ended(agreement)
}

# METADATA
# title: Concerned agreements by reason
# description: The agreements that each reason speaks of.
concerned := {
	"prohibited": forbidding,
	"quota": spent,
	"suspended": suspended,
	"expired": expired,
	"purpose_not_covered": other_purpose,
	"no_agreement": set(),
}

# METADATA
# title: Reason
# description: The first of the reasons, in this order, that has an agreement to speak of.
reason := found[0] if {
	found := [name |
		some name in ["prohibited", "quota", "suspended", "expired", "purpose_not_covered"]
		count(concerned[name]) > 0
	]
	count(found) > 0
} else := "no_agreement"

# METADATA
# title: Details
# description: What each reason means and what to do, in plain words.
details := {
	"no_agreement": sprintf("No agreement lets %v %v in tenant %v.", [
		input.caller.party,
		input.action,
		input.tenant,
	]),
	"purpose_not_covered": sprintf("The purpose %v is not covered. Covered: %v.", [
		input.purpose,
		concat("; also ", array.concat(listed, sort(open_ended))),
	]),
	"suspended": sprintf("Suspended or revoked: %v.", [uids]),
	"expired": sprintf("Expired: %v.", [uids]),
	"quota": sprintf("The quota is used up: %v.", [uids]),
	"prohibited": sprintf("Prohibited by %v.", [uids]),
}

# METADATA
# title: Agreements named in the detail
# description: Their identifiers, in order, as one text.
uids := concat(", ", {agreement.uid | some agreement in concerned[reason]})

# METADATA
# title: Covering constraints
# description: What the caller's agreements that allow the action say about its purpose.
covering contains constraint if {
	some agreement in other_purpose
	some permission in agreement.permission
	input.action in permission.action
	some constraint in permission.constraint
	constraint.leftOperand == "purpose"
}

# METADATA
# title: Covered purposes
# description: The purposes that are named as covered.
covered contains constraint.rightOperand if {
	some constraint in covering
	is_string(constraint.rightOperand)
}

covered contains purpose if {
	some constraint in covering
	constraint.operator == "isAnyOf"
	some purpose in constraint.rightOperand
}

# METADATA
# title: Covered purposes as one text
# description: At most one phrase; apart from those that name what is not covered, so that neither reads as the other.
listed := [concat(", ", covered)] if count(covered) > 0

listed := [] if count(covered) == 0

# METADATA
# title: Purposes covered but for some
# description: One phrase for each constraint that covers everything but what it names.
open_ended contains words if {
	some constraint in covering
	constraint.operator == "isNoneOf"
	words := sprintf("any purpose other than %v", [concat(" or ", sort(constraint.rightOperand))])
}

# METADATA
# title: Domain
# description: The one domain of the caller's own agreements concerned, else the one domain of all that are.
domain := {"domain": own_domains[0]} if {
	count(own_domains) == 1
} else := {"domain": domains[0]} if {
	count(own_domains) == 0
	count(domains) == 1
} else := {}

# METADATA
# title: Domains concerned
# description: Of all agreements that the reason speaks of.
domains := [name | some name in {agreement.domain | some agreement in concerned[reason]}]

# METADATA
# title: Own domains concerned
# description: Of those that are made with the caller itself, not with everybody or with its tier.
own_domains := [name |
	some name in {agreement.domain |
		some agreement in concerned[reason]
		agreement.assignee == input.caller.party
	}
]
