package estate

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/rbac"
)

// Resource types of Privileged Identity Management (PIM): what counts, or could be made to count, at the time of reading; and
// what asks for it.
const (
	typeEligible = "Microsoft.Authorization/roleEligibilityScheduleInstances"
	typeActive   = "Microsoft.Authorization/roleAssignmentScheduleInstances"

	TypeEligibleRequest = "Microsoft.Authorization/roleEligibilityScheduleRequests"
	TypeActiveRequest   = "Microsoft.Authorization/roleAssignmentScheduleRequests"
	TypePIMPolicy       = "Microsoft.Authorization/roleManagementPolicyAssignments"
)

// ScheduleKind says how PIM gives a role.
type ScheduleKind string

// Kinds of schedules. Assigned and Activated are PIM's own words for those that are in force (REST reference, role
// assignment schedule instances: assignmentType).
const (
	Eligible  ScheduleKind = "Eligible"  // the principal may take up the role for a while; it counts for nothing until then
	Assigned  ScheduleKind = "Assigned"  // an administrator gave the role, for a time
	Activated ScheduleKind = "Activated" // the principal took up a role that it is eligible for
)

// Schedule is a role that PIM lets somebody take up, or gives for a time. Those in force are role assignments as well.
type Schedule struct {
	ID    azure.ID // of the instance
	Kind  ScheduleKind
	Grant rbac.Grant // from when until when; its ID is the role assignment that is in force, zero where none is
}

// Schedules are the eligible roles, and the ones in force that end or were taken up, by scope.
func (e *Estate) Schedules() []*Schedule { return e.schedules }

// EligibleFor are the roles that a principal may take up itself. Those of its groups are not among them.
func (e *Estate) EligibleFor(p azure.PrincipalID) []*Schedule {
	return slices.DeleteFunc(slices.Clone(e.schedules), func(s *Schedule) bool { return s.Kind != Eligible || s.Grant.Principal != p })
}

// CouldTakeUp is the role that a principal may take up, itself or as a member of a group, and that gives it actions at a scope;
// also one of a management group above. nil: there is none.
func (e *Estate) CouldTakeUp(p azure.PrincipalID, actions []azure.Action, scope azure.ID) *Schedule {
	who := append(e.Policy.GroupsOf(p), p)
	above := e.Policy.ManagementGroups(scope)
	for _, s := range e.schedules {
		role, ok := e.Policy.Role(s.Grant.Role)
		reaches := s.Grant.Scope.Contains(scope) || slices.ContainsFunc(above, s.Grant.Scope.Equal)
		lacks := func(a azure.Action) bool { return !role.Grants(a, false) }
		if ok && s.Kind == Eligible && reaches && slices.Contains(who, s.Grant.Principal) && !slices.ContainsFunc(actions, lacks) {
			return s
		}
	}
	return nil
}

// EligibleKnown reports whether a subscription's eligible roles were read, or are known not to be there.
func (e *Estate) EligibleKnown(subscription string) bool {
	return e.eligible[strings.ToLower(subscription)]
}

// scheduleOf reads an instance of a schedule. Active ones without an end that an administrator gave are nothing but role
// assignments, which are read as such: they are passed over.
func scheduleOf(r Resource) (Schedule, bool) {
	s := Schedule{ID: r.ID, Kind: Eligible, Grant: rbac.Grant{
		Role:          roleID(r.Text("properties.roleDefinitionId")),
		Principal:     guidAt(r.Doc, "properties.principalId"),
		PrincipalType: r.Text("properties.principalType"),
		Scope:         scopeOf(r),
		Condition:     r.Text("properties.condition"),
		From:          timeAt(r.Doc, "properties.startDateTime"),
		Until:         timeAt(r.Doc, "properties.endDateTime"),
		CreatedOn:     timeAt(r.Doc, "properties.createdOn"),
	}}
	if strings.EqualFold(r.ID.Type(), typeActive) {
		s.Kind, s.Grant.ID = Assigned, r.Link("properties.originRoleAssignmentId")
		if strings.EqualFold(r.Text("properties.assignmentType"), string(Activated)) {
			s.Kind = Activated
		}
	}
	g := s.Grant
	return s, !g.Role.IsZero() && !g.Principal.IsZero() && !g.Scope.IsZero()
}

// plain reports whether a schedule says no more than the role assignment itself.
func (s Schedule) plain() bool { return s.Kind == Assigned && s.Grant.Until.IsZero() }

func isSchedule(typ string) bool {
	return strings.EqualFold(typ, typeEligible) || strings.EqualFold(typ, typeActive)
}

func (b *builder) addSchedule(r Resource, subscription string) error {
	s, ok := scheduleOf(r)
	if !ok {
		return wellFormed(r, ok)
	}
	if subscription == "" {
		subscription = s.Grant.Scope.Subscription()
	}
	b.inherit(s.Grant.Scope, subscription)
	if s.Kind == Eligible {
		b.noteEligible(subscription)
	}
	if !s.plain() {
		b.schedules[s.ID.Key()] = s
	}
	return nil
}

// noteEligible notes that the eligible roles of a subscription are known.
func (b *builder) noteEligible(subscription string) {
	if subscription != "" {
		b.estate.eligible[strings.ToLower(subscription)] = true
	}
}

// timeLimits gives role assignments the end that PIM has set.
func (b *builder) timeLimits() {
	for _, s := range b.schedules {
		if g, ok := b.grants[s.Grant.ID.Key()]; ok && s.Kind != Eligible {
			g.From, g.Until = s.Grant.From, s.Grant.Until
			b.grants[s.Grant.ID.Key()] = g
		}
	}
}

func (b *builder) sortedSchedules() []*Schedule {
	var out []*Schedule
	for _, key := range slices.Sorted(maps.Keys(b.schedules)) {
		s := b.schedules[key]
		out = append(out, &s)
	}
	slices.SortStableFunc(out, func(x, y *Schedule) int {
		return cmp.Or(strings.Compare(x.Grant.Scope.Key(), y.Grant.Scope.Key()), strings.Compare(x.ID.Key(), y.ID.Key()))
	})
	return out
}

// schedulesIn reads one kind of schedules of a subscription. A tenant without PIM has none.
func (w *walk) schedulesIn(ctx context.Context, scope azure.ID, typ string) {
	sub := scope.Subscription()
	w.say("reading what Privileged Identity Management gives in subscription %s", sub)
	docs, version, err := w.client.list(ctx, scope, typ, "")
	if err == nil { // the reference promises what is inherited from management groups for this filter alone
		var above []map[string]any
		above, _, err = w.client.list(ctx, scope, typ, "atScope()")
		docs = append(docs, above...)
	}
	for _, doc := range docs {
		s, ok := scheduleOf(Resource{ID: linkAt(doc, "id"), Doc: doc})
		if err == nil && ok && !s.plain() {
			err = w.add(doc, version, sub)
		}
	}
	switch {
	case err != nil && !WithoutPIM(err):
		w.unreadable(ctx, TypeWord(typ)+" of subscription "+w.subscriptionLabel(sub), typ+"/read", scope, err)
	case typ == typeEligible:
		w.mu.Lock()
		defer w.mu.Unlock()
		w.noteEligible(sub)
	}
}

// WithoutPIM reports whether a refusal says that the tenant, or the cloud, has no PIM: AadPremiumLicenseRequired is "The
// tenant needs an AAD Premium 2 license." with status 400 (github.com/JulianHayward/Azure-MG-Sub-Governance-Reporting/issues/114).
func WithoutPIM(err error) bool {
	return errorCode(err) == "AadPremiumLicenseRequired" || isUnknownVersion(err) || isStatus(err, http.StatusNotFound)
}
