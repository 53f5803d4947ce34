package estate

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/policy"
)

// Policies are the definitions, initiatives, assignments and exemptions of Azure Policy that were read.
func (e *Estate) Policies() *policy.Book { return &e.policies }

// policyTypes are the resource types of Azure Policy.
var policyTypes = []string{policy.TypeDefinition, policy.TypeSet, policy.TypeAssignment, policy.TypeExemption}

func isPolicy(typ string) bool {
	return slices.ContainsFunc(policyTypes, func(t string) bool { return strings.EqualFold(t, typ) })
}

// addPolicy takes a document of Azure Policy. What cannot be read as one says nothing: it is not for this program to judge it.
func (b *builder) addPolicy(r Resource) {
	book := &b.estate.policies
	switch typ := r.ID.Type(); {
	case strings.EqualFold(typ, policy.TypeDefinition):
		if d, err := policy.Parse(r.Doc, r.ID.Name()); err == nil {
			book.Definitions[r.ID.Key()] = d
		}
	case strings.EqualFold(typ, policy.TypeSet):
		if s, err := policy.ParseSet(r.Doc, r.ID.Name()); err == nil {
			book.Sets[r.ID.Key()] = s
		}
	case strings.EqualFold(typ, policy.TypeAssignment):
		if a, err := policy.ParseAssignment(r.Doc, r.ID); err == nil && !slices.ContainsFunc(book.Assignments, func(o *policy.Assignment) bool { return o.ID.Equal(r.ID) }) {
			book.Assignments = append(book.Assignments, a)
		}
	default:
		if x, err := policy.ParseExemption(r.Doc, r.ID); err == nil {
			book.Exemptions = append(book.Exemptions, x)
		}
	}
}

// sealPolicies puts the assignments in order, and lets them know which management groups are above a subscription.
func (b *builder) sealPolicies() {
	book := &b.estate.policies
	slices.SortFunc(book.Assignments, func(x, y *policy.Assignment) int { return strings.Compare(x.ID.Key(), y.ID.Key()) })
	p := b.estate.Policy
	book.Above = func(sub string) []azure.ID { return p.ManagementGroups(azure.SubscriptionID(sub)) }
}

// policiesIn reads what is assigned to a subscription, by itself and from above, and what of it can refuse a write.
func (w *walk) policiesIn(ctx context.Context, sub string) {
	scope := azure.SubscriptionID(sub)
	for _, typ := range []string{policy.TypeExemption, policy.TypeAssignment} {
		w.once(scope.Resource(typ).Key(), func() {
			w.say("reading the %ss of subscription %s", TypeWord(typ), w.subscriptionLabel(sub))
			docs, version, err := w.client.list(ctx, scope, typ, "")
			for _, doc := range docs {
				if err == nil {
					w.inheritPolicy(doc, sub)
					err = w.add(doc, version, sub)
				}
			}
			if err != nil && !isUnknownVersion(err) && !isStatus(err, http.StatusNotFound) {
				w.unreadable(ctx, TypeWord(typ)+"s of subscription "+w.subscriptionLabel(sub), typ+"/read", scope, err)
			}
			for _, doc := range docs {
				if strings.EqualFold(typ, policy.TypeAssignment) && !strings.EqualFold(textAt(doc, "properties.enforcementMode"), "DoNotEnforce") {
					w.assigned(ctx, doc, linkAt(doc, "properties.policyDefinitionId"))
				}
			}
		})
	}
}

// inheritPolicy learns from a policy that a subscription inherits which management group is above.
func (w *walk) inheritPolicy(doc map[string]any, sub string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	scope, _, _ := linkAt(doc, "id").Split()
	w.inherit(scope, sub)
}

// assigned reads a definition, or an initiative with those of its definitions that can refuse a write.
func (w *walk) assigned(ctx context.Context, assignment map[string]any, id azure.ID) {
	if id.IsZero() {
		return
	}
	w.once(id.Key(), func() {
		doc, version, err := w.client.get(ctx, id)
		if err == nil {
			err = w.add(doc, version, "")
		}
		if err != nil {
			w.unreadable(ctx, TypeWord(id.Type())+" "+id.Name(), id.Type()+"/read", id, err)
			return
		}
		for _, m := range listAt(doc, "properties.policyDefinitions") {
			if mayDeny(m, doc, assignment) {
				w.assigned(ctx, nil, linkAt(m, "policyDefinitionId"))
			}
		}
	})
}

// mayDeny reports whether a member of an initiative can refuse a write, as far as the initiative tells: hundreds of built-in
// ones only audit.
func mayDeny(member any, set, assignment map[string]any) bool {
	effect := textAt(member, "parameters.effect.value")
	if name, ok := strings.CutPrefix(strings.ReplaceAll(effect, " ", ""), "[parameters('"); ok {
		name = strings.TrimSuffix(name, "')]")
		effect = textAt(at(assignment, "properties.parameters."+name), "value")
		if effect == "" {
			effect = textAt(at(set, "properties.parameters."+name), "defaultValue")
		}
	}
	return effect == "" || isOneOf(strings.ToLower(effect), string(policy.Deny), string(policy.Modify), string(policy.Append))
}
