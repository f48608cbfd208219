# METADATA
# title: Datapolis decisions
# description: |
#   Decides who may do what, for which purpose, by the agreements in the input. The rules hold no agreements, so
#   revoking one is one row in the database. Default deny. The grants say what is visible; the broker enforces them.
# related_resources:
# - https://www.w3.org/TR/odrl-model/
# - https://w3id.org/dpv
package datapolis

import data.datapolis.constraints
import data.datapolis.refusal

# METADATA
# title: Version of these rules
# description: The heartbeat reads it, so that an engine without our rules is told from one with them.
version := 1

# METADATA
# title: Decision
# description: Refusal with its reason, or allowance with grants, prohibitions, duties and the time it holds until.
# entrypoint: true
default decision := {
	"allow": false,
	"reason": "no_agreement",
	"detail": "The request is not in the form that a decision needs.",
}

decision := object.union(
	{
		"allow": true,
		"grants": grants,
		"prohibitions": prohibitions,
		"duties": duties,
	},
	expiry,
) if {
	valid_input
	count(grants) > 0
}

decision := object.union(refusal.answer, expiry) if {
	valid_input
	count(grants) == 0
}

# METADATA
# title: Input is well formed
# description: Every member that the rules read is there, in its kind.
valid_input if {
	is_string(input.caller.party)
	is_string(input.caller.tier)
	is_array(input.caller.roles)
	is_string(input.purpose)
	is_string(input.action)
	is_string(input.tenant)
	is_array(input.agreements)
	time.parse_rfc3339_ns(input.now) > 0
}

# METADATA
# title: Permissions in force
# description: Each permission of an agreement in force that has the action and whose constraints hold.
permissions contains {"agreement": agreement, "permission": permission} if {
	some agreement in input.agreements
	constraints.in_force(agreement)
	some permission in agreement.permission
	input.action in permission.action
	constraints.satisfied(permission)
}

# METADATA
# title: Grants
# description: |
#   The targets of the permissions in force, each with the agreement it comes from. One whose types are all closed by a
#   prohibition would show nothing and is left out, so that the refusal can say why.
grants contains object.union(
	{"agreement": item.agreement.uid, "version": item.agreement.version},
	item.permission.target,
) if {
	some item in permissions
	not closed(item.permission.target)
}

# METADATA
# title: Closed target
# description: Each of its types is forbidden as a whole.
closed(target) if {
	count(closed_types) > 0
	count(target.types) > 0
	every type in target.types {
		type in closed_types
	}
}

# METADATA
# title: Closed types
# description: Types that a prohibition in force covers without narrowing it to attributes or entities.
closed_types contains type if {
	some prohibition in prohibitions
	every member in ["attrs", "q", "scopeQ", "area"] {
		not member in object.keys(prohibition)
	}
	some type in prohibition.types
}

# METADATA
# title: Prohibitions
# description: |
#   What the agreements in force hide, whichever of them grants it. One without constraints always counts; one with
#   constraints counts where they hold.
prohibitions contains prohibition.target if {
	some agreement in input.agreements
	constraints.in_force(agreement)
	some prohibition in agreement.prohibition
	input.action in prohibition.action
	constraints.satisfied(prohibition)
}

# METADATA
# title: Duties
# description: What the caller owes under the permissions that were used.
duties contains object.union(duty, {"agreement": item.agreement.uid}) if {
	some item in permissions
	not closed(item.permission.target)
	some duty in item.permission.duty
}

# METADATA
# title: Expiry
# description: The decision holds until an agreement or a time constraint that concerns the caller changes its state.
expiry := {"until": moments[0]} if {
	moments := sort([moment |
		some agreement in input.agreements
		some moment in constraints.moments(agreement)
		time.parse_rfc3339_ns(moment) > time.parse_rfc3339_ns(input.now)
	])
	count(moments) > 0
} else := {}
