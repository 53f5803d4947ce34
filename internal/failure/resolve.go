package failure

import (
	"slices"
	"strings"
	"time"

	"aksid/internal/azure"
)

// found is a failure with the place in its record.
type found struct {
	Failure
	held string // the action that a linked failure says is held
	at   int
}

// failures are what a record tells of. A sentence of Azure's explains the codes around it; without one, the most
// special code does.
func (r *reading) failures() []Failure {
	var all []found
	for _, m := range r.matches {
		if f, ok := r.fromMatch(m); ok {
			all = append(all, f)
		}
	}
	all = r.merge(all)
	all = append(all, r.fromCodes(len(all) > 0)...)
	slices.SortStableFunc(all, func(a, b found) int {
		if a.IdentityRelated != b.IdentityRelated && a.IdentityRelated {
			return -1
		} else if a.IdentityRelated != b.IdentityRelated {
			return 1
		}
		return a.at - b.at
	})
	out := make([]Failure, len(all))
	for i := range all {
		f := &all[i]
		f.Actor, f.ActorAlt = r.actor(f)
		if f.Kind == Unknown && malformed(f.Actions, f.Scopes) {
			f.IdentityRelated = false // the client's configuration
		}
		out[i] = f.Failure
	}
	return out
}

// fromMatch makes a failure of a sentence. General sentences, as of a missing resource, give way to special codes.
func (r *reading) fromMatch(m azure.Match) (f found, ok bool) {
	row := lexiconOf().byText[m.Message]
	if row.saysAzureRBAC() && !r.sees(row) {
		return f, false // the rows of Kubernetes' own RBAC are about it
	}
	row, code := r.codeOf(row, m)
	if row.Rank != Specific && slices.ContainsFunc(r.seen, func(s sighting) bool { return !s.used && s.code.Rank < row.Rank }) {
		return f, false
	}
	f = found{Failure: newFailure(row, code), at: m.Start}
	f.extend(r.times(f.at))
	if f.IdentityRelated {
		r.fill(&f, m)
	}
	if f.Kind == PolicyDenied {
		f.Policies = r.refusing(m)
	}
	if f.Kind == MissingAction && malformed(f.Actions, f.Scopes) {
		f.Kind = Unknown
	}
	return f, true
}

func newFailure(row *Code, code string) Failure {
	related := row.Kind.BlamesIdentity() && row.Rank != Wrapper // a wrapper alone tells nothing
	return Failure{Kind: row.Kind, Code: code, IdentityRelated: related, Source: row.Source, Count: 1, row: row}
}

// codeOf is the row and the code of a sentence, as printed if it is. Sentences of one kind resemble each other when they
// are cut off: then the printed code decides.
func (r *reading) codeOf(row *Code, m azure.Match) (*Code, string) {
	if i := r.printed(func(s sighting) bool { return s.code.is(row.Name) }); i >= 0 {
		code := r.spelled(row)
		r.use(row.Name)
		return row, code
	}
	same := func(s sighting) bool {
		return s.code.Kind == row.Kind && s.code.Rank == Specific && len(s.code.Texts) == 0
	}
	if i := r.printed(same); i >= 0 {
		row = r.seen[i].code
		r.use(row.Name)
		return row, row.Name
	}
	r.use(row.Name)
	if strings.HasPrefix(row.Name, "ForbiddenBy") || row.Name == "AccessDenied" {
		if i := r.printed(func(s sighting) bool { return s.code.Name == "Forbidden" }); i >= 0 {
			return row, r.seen[i].printed
		}
	}
	if row.NoCode {
		return row, ""
	}
	return row, row.Name
}

// saysAzureRBAC reports whether a row is of those who know Kubernetes' refusals from Azure's by their last words.
func (c *Code) saysAzureRBAC() bool { return slices.Contains(c.Says, azureRBAC) }

// sees reports whether a record prints or implies a row.
func (r *reading) sees(c *Code) bool {
	return slices.ContainsFunc(r.seen, func(s sighting) bool { return s.code == c })
}

// is reports whether a code has a name, also as another spelling.
func (c *Code) is(name string) bool {
	return strings.EqualFold(c.Name, name) || slices.ContainsFunc(c.Also, func(a string) bool { return strings.EqualFold(a, name) })
}

// printed is the first printed code that passes the test and is not explained yet, or -1.
func (r *reading) printed(test func(sighting) bool) int {
	return slices.IndexFunc(r.seen, func(s sighting) bool { return s.printed != "" && !s.used && test(s) })
}

func (r *reading) use(name string) {
	for i := range r.seen {
		r.seen[i].used = r.seen[i].used || r.seen[i].code.is(name)
	}
}

// fromCodes makes failures of the codes and wordings that no sentence explains: of the most special ones there are.
// Beside a sentence only special ones count that are no matter of identity, as a quota in the same deployment.
func (r *reading) fromCodes(beside bool) []found {
	letIn := slices.ContainsFunc(r.seen, func(s sighting) bool { return s.code.LetIn })
	rest := slices.DeleteFunc(slices.Clone(r.seen), func(s sighting) bool {
		return s.used || letIn && s.code.Kind == PullUnauthorized || beside && (s.code.Rank != Specific || s.printed == "" || s.code.Kind.BlamesIdentity())
	})
	if len(rest) == 0 {
		return nil
	}
	rank := slices.MinFunc(rest, func(a, b sighting) int { return int(a.code.Rank) - int(b.code.Rank) }).code.Rank
	var out []found
	printed := func(k Kind) bool {
		return slices.ContainsFunc(rest, func(s sighting) bool { return s.printed != "" && s.code.Rank == rank && s.code.Kind == k })
	}
	for _, s := range rest {
		if s.printed == "" && rank == Specific && printed(s.code.Kind) {
			continue // a wording of what a code says already
		}
		if s.code.Rank != rank || slices.ContainsFunc(out, func(f found) bool { return f.row == s.code || f.row.Name == s.code.Name || rank != Specific }) {
			continue
		}
		if (s.code.Kind == PullUnauthorized || s.code.Kind == PullForbidden) && r.pullsElsewhere() {
			s.code = otherRegistry
		}
		f := found{Failure: newFailure(s.code, r.spelled(s.code)), at: s.start}
		f.extend(r.times(f.at))
		if f.Kind == IdentityNotFound {
			f.Client, f.ObjectID = r.asked()
		}
		out = append(out, f)
	}
	return out
}

// pullsElsewhere reports whether a text names a registry, and none of Azure's.
func (r *reading) pullsElsewhere() bool {
	if strings.Contains(strings.ToLower(r.text), ".azurecr.") {
		return false
	}
	for _, before := range []string{`image "`, `reference "`, "https://"} {
		_, after, _ := strings.Cut(r.text, before)
		host, _, ok := strings.Cut(after[:min(len(after), 100)], "/")
		if ok && plain(host) && strings.Contains(host, ".") {
			return true
		}
	}
	return false
}

// spelled is a code as the record prints it: everyday words and other spellings as they are, the rest in the
// catalogue's case.
func (r *reading) spelled(c *Code) string {
	i := slices.IndexFunc(r.seen, func(s sighting) bool { return s.printed != "" && c.is(s.printed) })
	switch {
	case c.NoCode:
		return ""
	case i < 0 || isName(c.Name) && strings.EqualFold(r.seen[i].printed, c.Name):
		return c.Name
	}
	return r.seen[i].printed
}

// isDeployment reports whether a record is the outcome of one deployment, whose failures belong together.
func (r *reading) isDeployment() bool {
	return slices.ContainsFunc(r.seen, func(s sighting) bool {
		return s.code.is("DeploymentFailed") || s.code.is("InvalidTemplateDeployment")
	})
}

// fill takes over the fields of a sentence.
func (r *reading) fill(f *found, m azure.Match) {
	get := m.Fields
	f.Target = get["vault"]
	f.Client, f.ObjectID = first(get["client"], get["app"]), first(get["oid"], get["principal"])
	scope := get["scope"]
	switch {
	case strings.Contains(m.Message.Text, "{linkedAction}"):
		f.held = get["action"]
		f.Actions, f.Scopes = list(get["linkedAction"]), list(scope)
		f.LinkedScopes = append(scopes(get["linkedScope"]), scopes(get["deniedScope"])...)
	case f.Kind.needsRole(), f.Kind == DenyAssignment, m.Message == azure.LinkedAuthorizationFailedTenant:
		f.Actions, f.Scopes = list(get["action"]), list(scope)
	}
	f.needs = f.pairs(strings.Contains(r.text, beforeCreating))
	if f.Kind == IdentityNotFound {
		f.Client, f.ObjectID = r.asked()
	}
	if f.Kind == FederationMismatch {
		f.Federation = &Federation{get["issuer"], get["subject"], get["audience"]}
	}
	if f.Kind == DenyAssignment && get["name"]+get["id"] != "" {
		f.Deny = &Deny{get["name"], get["id"], get["denyScope"]}
	}
}

// beforeCreating is how Terraform's provider says that it reads what it is about to create.
const beforeCreating = "checking for presence of existing"

// pairs are the needs of a failure that one sentence tells of.
func (f *Failure) pairs(absent bool) (out []need) {
	where := f.LinkedScopes
	if f.Kind != LinkedScope && len(where) == 0 {
		where = f.Scopes
	}
	for _, action := range f.Actions {
		for _, scope := range where {
			out = append(out, need{action, scope, absent})
		}
	}
	return out
}

// asked is the identity that a request to IMDS names.
func (r *reading) asked() (client, object string) {
	param := func(name string) string {
		_, v, _ := strings.Cut(r.text, name)
		if end := strings.IndexFunc(v, func(c rune) bool { return c != '-' && !(c < 0x80 && (isLetter(byte(c)) || digit(byte(c)))) }); end >= 0 {
			v = v[:end]
		}
		return v
	}
	return param("client_id="), param("object_id=")
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

func list(v string) []string {
	if v == "" {
		return nil
	}
	return []string{v}
}

// scopes takes a list of linked scopes apart at the commas before a slash.
func scopes(v string) []string {
	var out []string
	for v != "" {
		next := strings.Index(v, ",/")
		if next < 0 {
			return append(out, v)
		}
		out = append(out, v[:next])
		v = v[next+1:]
	}
	return out
}

// malformed reports whether a request's path had a part missing, so that ARM made up an action that nobody can grant.
func malformed(actions, scopes []string) bool {
	for _, s := range scopes {
		if strings.Contains(strings.ToLower(s), "/resourcegroups/providers/") {
			return true
		}
	}
	return slices.ContainsFunc(actions, func(a string) bool { return strings.Count(strings.ToLower(a), "microsoft.") > 1 })
}

// merge counts what a record says twice once, unless time has passed in between. In one deployment all that one principal lacks is one failure.
func (r *reading) merge(all []found) []found {
	deployment := r.isDeployment()
	var out []found
	for _, f := range all {
		i := slices.IndexFunc(out, func(o found) bool {
			if !like(o.Client, f.Client) || !like(o.ObjectID, f.ObjectID) {
				return false
			}
			if deployment && o.Kind.needsRole() && f.Kind.needsRole() {
				return true
			}
			if o.row == f.row && len(f.Actions)+len(f.Scopes)+len(f.LinkedScopes) == 0 {
				return true // said again, shortened
			}
			return o.row == f.row && sameList(o.Actions, f.Actions) && sameList(o.Scopes, f.Scopes) && sameList(o.LinkedScopes, f.LinkedScopes)
		})
		if i < 0 {
			out = append(out, f)
			continue
		}
		if last := out[i].LastSeen; last != nil && f.FirstSeen != nil && f.FirstSeen.Sub(*last) >= time.Second {
			out[i].Count++ // seen again, on a later line
		}
		out[i].absorb(&f.Failure)
		out[i].extend(f.FirstSeen, f.LastSeen)
	}
	return out
}

// absorb adds what another failure of the same cause names.
func (f *Failure) absorb(o *Failure) {
	if f.Kind == MissingAction && o.Kind == LinkedScope {
		f.Kind, f.Code, f.row, f.Source = o.Kind, o.Code, o.row, o.Source
	}
	f.Actions = union(f.Actions, o.Actions)
	for _, n := range o.needs {
		if len(f.needs) < maxList && !slices.ContainsFunc(f.needs, func(k need) bool { return like(k.action, n.action) && like(k.scope, n.scope) }) {
			f.needs = append(f.needs, n)
		}
	}
	f.LinkedScopes = union(f.LinkedScopes, o.LinkedScopes)
	f.Scopes = union(f.Scopes, o.Scopes)
	if len(f.LinkedScopes) > 0 {
		f.Scopes = slices.DeleteFunc(f.Scopes, func(s string) bool {
			return slices.ContainsFunc(f.LinkedScopes, func(l string) bool { return like(l, s) })
		})
	}
}

// maxList bounds the lists of a failure that is seen over and over with other resources.
const maxList = 50

func union(a, b []string) []string {
	for _, v := range b {
		if len(a) < maxList && !slices.ContainsFunc(a, func(o string) bool { return like(o, v) }) {
			a = append(a, v)
		}
	}
	return a
}

func sameList(a, b []string) bool { return slices.EqualFunc(a, b, like) }

// like compares ids without case. Parts that one of them masks with stars may be anything; so may an id that is not
// there.
func like(a, b string) bool {
	if strings.EqualFold(a, b) || a == "" || b == "" {
		return true
	}
	if !strings.Contains(a, "*") && !strings.Contains(b, "*") {
		return false
	}
	x, y := strings.Split(a, "/"), strings.Split(b, "/")
	return slices.EqualFunc(x, y, func(p, q string) bool {
		return strings.EqualFold(p, q) || strings.Contains(p, "*") || strings.Contains(q, "*")
	})
}
