package failure

import "strings"

// actor is whose identity a failure is about: as the code says, by what the token said of itself, by who wrote the
// text, or by what was to be done.
func (r *reading) actor(f *found) (Actor, []Actor) {
	if !f.IdentityRelated || f.row.Rank == Wrapper {
		return Nobody, nil
	}
	for _, decide := range []func(*found) (Actor, []Actor){r.byFederation, r.byCode, r.byOrigin, r.byAction} {
		if a, alt := decide(f); a != "" {
			return a, alt
		}
	}
	switch {
	case f.row.Mostly != "":
		return f.row.Mostly, alternatives(f.row.Mostly)
	case f.Kind == IdentityNotFound || f.Kind == FederationMismatch:
		return Workload, workloadAlt
	case f.held != "" || len(f.Actions) > 0 && len(f.LinkedScopes) == 0 && f.Kind != LinkedScope:
		return Caller, callerAlt
	}
	return Nobody, nil
}

func alternatives(a Actor) []Actor {
	switch a {
	case Kubelet:
		return kubeletAlt
	case AddOn:
		return addonAlt
	case Workload:
		return workloadAlt
	case Caller:
		return callerAlt
	}
	return nil
}

func (r *reading) byFederation(f *found) (Actor, []Actor) {
	if f.Federation == nil {
		return "", nil
	}
	switch id := f.Federation.Issuer + " " + f.Federation.Subject; {
	case strings.Contains(id, "system:serviceaccount") || strings.Contains(id, ".prod-aks.azure.") || strings.Contains(id, "kubernetes.default"):
		return Workload, nil
	case strings.Contains(id, "repo:") || strings.Contains(id, "githubusercontent") || strings.Contains(id, "vstoken") || strings.Contains(id, "sc://"):
		return Caller, callerAlt
	}
	return "", nil
}

func (r *reading) byCode(f *found) (Actor, []Actor) {
	switch {
	case f.Kind == PullUnauthorized && r.byHand():
		return Caller, []Actor{Kubelet, ServicePrincipal, Nobody}
	case f.row.Actor != "":
		return f.row.Actor, alternatives(f.row.Actor)
	case f.Kind == InvalidClient || f.Kind == ExpiredSecret:
		if len(r.origins) > 0 && r.origins[0].actor == Caller || r.isCommand() || r.piped {
			return Caller, callerAlt
		}
		return ServicePrincipal, []Actor{ControlPlane, Caller, Nobody}
	}
	return "", nil
}

func (r *reading) byOrigin(f *found) (Actor, []Actor) {
	if strings.HasPrefix(f.row.Name, "AADSTS") && (r.isCommand() || r.piped) {
		return Caller, callerAlt
	}
	for _, o := range r.origins {
		// The sentence about another tenant names nobody: a controller may have passed on what a person began.
		if f.row.Kind == Unknown && f.row.Name == "LinkedAuthorizationFailed" && o.actor != Caller {
			continue
		}
		return o.actor, o.alt
	}
	return "", nil
}

// byHand reports whether somebody who builds or pulls with docker, and no node, talks to a registry.
func (r *reading) byHand() bool {
	if strings.Contains(r.text, "The push refers to repository") || strings.Contains(r.text, "docker push") || strings.Contains(r.text, "docker login") {
		return true
	}
	return strings.Contains(r.text, "Error response from daemon") && !strings.Contains(r.text, "rpc error") && !strings.Contains(r.text, "ailed to pull image")
}

// isCommand reports whether the text is what a command line tool or an action prints when it fails.
func (r *reading) isCommand() bool {
	s := strings.TrimLeft(r.text, " `>*\n")
	return strings.HasPrefix(s, "Error: ") || strings.HasPrefix(s, "ERROR: ") || s != "" && s[0] == '(' && strings.Contains(s, "\nCode: ")
}

func (r *reading) byAction(f *found) (Actor, []Actor) {
	switch {
	case f.row.Kind == Unknown && f.row.Name == "LinkedAuthorizationFailed":
		return Nobody, nil
	case f.Kind == DenyAssignment || r.isCommand():
		return Caller, callerAlt
	}
	if len(f.Actions) > 0 && attaches(f.held, f.Actions[0]) {
		return Kubelet, kubeletAlt
	}
	for _, action := range append(list(f.held), f.Actions...) {
		action = strings.ToLower(action)
		for _, row := range actedOn {
			if strings.HasPrefix(action, row.prefix) {
				return row.actor, row.alt
			}
		}
	}
	return "", nil
}
