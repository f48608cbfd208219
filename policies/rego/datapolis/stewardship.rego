# METADATA
# title: Acts on agreements
# description: |
#   Who may do what to an agreement: offer terms, apply, review, approve, refuse, sanction; and who may enter a system that
#   reads a domain into the register of algorithms (`register`). A steward is whoever an
#   agreement in force lets manage the domain. The input is that of a decision for the action manage, with `matter`.
package datapolis.stewardship

import data.datapolis

# METADATA
# title: Acts of a steward
# description: What needs an agreement that lets the caller manage the domain.
steward_acts := {
	"amend",
	"approve",
	"assess",
	"offer",
	"refuse",
	"register",
	"resume",
	"review",
	"revoke",
	"settle",
	"suspend",
	"usage",
	"warn",
	"what-if",
}

# METADATA
# title: Acts of the party itself
# description: What the party of an agreement may do about it; a steward may too.
own_acts := {"report", "see", "withdraw"}

# METADATA
# title: Classifications that demand an impact assessment
# description: An agreement about such a domain comes into force only on a current assessment.
assessed := {"personal", "sensitive"}

# METADATA
# title: Ruling
# description: Allowed, with whether an approval completes what the domain demands, or refused with every reason.
# entrypoint: true
default ruling := {"allow": false, "reasons": [{
	"reason": "malformed",
	"detail": "The request is not in the form that a ruling needs.",
}]}

ruling := {"allow": true, "complete": complete} if {
	well_formed
	count(faults) == 0
}

ruling := {"allow": false, "reasons": [{"reason": name, "detail": details[name]} | some name in sort(faults)]} if {
	well_formed
	count(faults) > 0
}

# METADATA
# title: Input is well formed
# description: That of a decision, and the members of `matter` that the rules read.
well_formed if {
	datapolis.valid_input
	is_string(input.matter.act)
	is_string(input.matter.domain.name)
	is_string(input.matter.domain.classification)
	is_boolean(input.matter.domain.four_eyes)
	is_array(input.matter.approvals)
	is_string(input.matter.assignee)
}

# METADATA
# title: Steward
# description: An agreement in force about the domain lets the caller manage it.
steward if {
	input.action == "manage"
	some item in datapolis.permissions
	item.agreement.domain == input.matter.domain.name
	not datapolis.closed(item.permission.target)
}

# METADATA
# title: Faults
# description: Each reason for which the act is refused.
faults contains "no_person" if input.caller.sub == ""

faults contains "no_token" if input.caller.party == "public"

faults contains "not_steward" if {
	input.matter.act in steward_acts
	not steward
}

faults contains "not_yours" if {
	input.matter.act in own_acts
	input.matter.assignee != input.caller.party
	not steward
}

faults contains "not_offered" if {
	input.matter.act == "apply"
	not input.matter.assignee in {input.caller.party, sprintf("tier:%v", [input.caller.tier]), "tier:public"}
}

faults contains "unknown_act" if {
	not input.matter.act in steward_acts
	not input.matter.act in own_acts
	input.matter.act != "apply"
}

faults contains "own_case" if {
	input.matter.act in {"approve", "resume"}
	input.matter.assignee == input.caller.party
}

faults contains "same_person" if {
	input.matter.act == "approve"
	some approval in input.matter.approvals
	approval.person == input.caller.sub
}

faults contains "assessment_needed" if {
	input.matter.act in {"approve", "resume"}
	input.matter.domain.classification in assessed
	not assessment_current
}

# METADATA
# title: Current assessment
# description: There is one, and it has not run out.
assessment_current if {
	time.parse_rfc3339_ns(input.matter.assessment.valid_until) > time.parse_rfc3339_ns(input.now)
}

# METADATA
# title: Complete
# description: With this approval the domain's demands are met - two persons where it wants four eyes.
default complete := false

complete if {
	input.matter.act == "approve"
	not input.matter.domain.four_eyes
}

complete if {
	input.matter.act == "approve"
	input.matter.domain.four_eyes
	some approval in input.matter.approvals
	approval.person != input.caller.sub
}

# METADATA
# title: Details
# description: Each reason in plain words, with what to do.
details := {
	"no_person": "The token names no person (claim `sub`); acts are recorded with who did them.",
	"no_token": "This needs a token: sign in, or send Authorization: Bearer <token>.",
	"not_steward": sprintf("No agreement in force lets %v manage the domain %v for this purpose and with these roles.", [
		input.caller.party,
		input.matter.domain.name,
	]),
	"not_yours": sprintf("This is the matter of %v, and of the domain's stewards.", [input.matter.assignee]),
	"not_offered": sprintf("These terms are offered to %v; your tier is %v.", [input.matter.assignee, input.caller.tier]),
	"unknown_act": sprintf("There is no act %v.", [input.matter.act]),
	"own_case": "Nobody approves an agreement with the party that they act for; another steward must.",
	"same_person": sprintf("You have approved this text already. The domain %v wants a second person.", [
		input.matter.domain.name,
	]),
	"assessment_needed": sprintf("The domain %v is %v: record a current impact assessment first.", [
		input.matter.domain.name,
		input.matter.domain.classification,
	]),
}
