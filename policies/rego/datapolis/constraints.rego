# METADATA
# title: Agreements in force and their constraints
# description: |
#   A constraint that these rules do not know is not satisfied, so an agreement never reaches further than its text.
package datapolis.constraints

# METADATA
# title: Agreement in force
# description: Active, within its time, its quota not used up.
in_force(agreement) if {
	agreement.status == "active"
	begun(agreement)
	not ended(agreement)
	not agreement.spent
}

# METADATA
# title: Agreement begun
# description: The agreement's first moment is not in the future.
begun(agreement) if time.parse_rfc3339_ns(agreement.valid.from) <= time.parse_rfc3339_ns(input.now)

# METADATA
# title: Agreement ended
# description: The agreement's last moment has come.
ended(agreement) if time.parse_rfc3339_ns(agreement.valid.until) <= time.parse_rfc3339_ns(input.now)

# METADATA
# title: Constraints satisfied
# description: All constraints of a permission or prohibition hold.
satisfied(rule) if {
	every constraint in rule.constraint {
		holds(constraint)
	}
}

# METADATA
# title: Constraints other than the purpose satisfied
# description: The permission would apply if only the purpose were another.
satisfied_but_purpose(rule) if {
	every constraint in rule.constraint {
		passes_but_purpose(constraint)
	}
}

# METADATA
# title: Constraint holds or is about the purpose
# description: Used to tell a purpose that is not covered from an agreement that is not there.
passes_but_purpose(constraint) if constraint.leftOperand == "purpose"

passes_but_purpose(constraint) if {
	constraint.leftOperand != "purpose"
	holds(constraint)
}

# METADATA
# title: Constraint holds
# description: Purpose (isA, isAnyOf, isNoneOf, eq), role (eq, isAnyOf), dateTime (lt, lteq, gt, gteq); any other does not hold.
holds(constraint) if {
	constraint.leftOperand == "purpose"
	constraint.operator == "isA"
	is_a(input.purpose, constraint.rightOperand)
}

holds(constraint) if {
	constraint.leftOperand == "purpose"
	constraint.operator == "isAnyOf"
	some purpose in constraint.rightOperand
	is_a(input.purpose, purpose)
}

holds(constraint) if {
	constraint.leftOperand == "purpose"
	constraint.operator == "isNoneOf"
	data.datapolis.purposes[input.purpose] # an unknown purpose might be any of them
	every purpose in constraint.rightOperand {
		not is_a(input.purpose, purpose)
	}
}

holds(constraint) if {
	constraint.leftOperand == "purpose"
	constraint.operator == "eq"
	input.purpose == constraint.rightOperand
}

holds(constraint) if {
	constraint.leftOperand == "role"
	constraint.operator == "eq"
	constraint.rightOperand in input.caller.roles
}

holds(constraint) if {
	constraint.leftOperand == "role"
	constraint.operator == "isAnyOf"
	some role in constraint.rightOperand
	role in input.caller.roles
}

holds(constraint) if {
	constraint.leftOperand == "dateTime"
	compares(
		constraint.operator,
		time.parse_rfc3339_ns(input.now),
		time.parse_rfc3339_ns(constraint.rightOperand),
	)
}

# METADATA
# title: Comparison of two moments
# description: The ODRL operators lt, lteq, gt and gteq on nanoseconds.
compares("lt", now, limit) if now < limit

compares("lteq", now, limit) if now <= limit

compares("gt", now, limit) if now > limit

compares("gteq", now, limit) if now >= limit

# METADATA
# title: Purpose is a
# description: The purpose is the other one or narrower, by the DPV hierarchy in data.datapolis.purposes.
is_a(purpose, purpose)

is_a(purpose, broader) if broader in data.datapolis.purposes[purpose]

# METADATA
# title: Moments of an agreement
# description: The times at which what the agreement allows may change, a used-up quota's next period included.
moments(agreement) := bounds | limits if {
	bounds := {moment |
		some moment in [
			agreement.valid.from,
			agreement.valid.until,
			object.get(agreement, "spent_until", agreement.valid.until),
		]
	}
	limits := {constraint.rightOperand |
		some member in ["permission", "prohibition"]
		some rule in agreement[member]
		some constraint in rule.constraint
		constraint.leftOperand == "dateTime"
	}
}
