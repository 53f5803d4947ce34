package failure

import (
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"aksid/internal/azure"
	plaintext "aksid/internal/plain"
)

// MaxFailures bounds how many different failures a Collector keeps. Further ones are only counted.
const MaxFailures = 1000

// Collector gathers the failures of streams, what is the same once.
type Collector struct {
	list    []*Failure
	byKey   map[string]*Failure
	waiting []*result // consequences whose cause has not been seen yet
	dropped int
}

// Read takes in a stream: log lines, events, JSON of az and kubectl, or a pasted text, also in UTF-16 or compressed.
func (c *Collector) Read(r io.Reader) error {
	l := lexiconOf()
	for rec, err := range records(plaintext.Decode(r)) {
		if err != nil {
			return err
		}
		if l.trigger.Any(rec.text) || azure.Mentions(rec.text) {
			c.add(rec)
		}
	}
	return nil
}

// Dropped is how many occurrences of further failures were not kept.
func (c *Collector) Dropped() int { return c.dropped }

func (c *Collector) add(rec *record) {
	r := readRecord(rec)
	count := r.count()
	for _, f := range r.failures() {
		f.Count *= count
		f.Target = target(r.text, f.Target)
		c.count(f)
	}
	for _, res := range r.results {
		if !c.attach(res) && len(c.waiting) < MaxFailures {
			c.waiting = append(c.waiting, res)
		}
	}
}

// count adds a failure to those of the same cause.
func (c *Collector) count(f Failure) {
	key := f.key()
	known := c.byKey[key]
	switch {
	case known != nil:
		known.absorb(&f)
		known.Count += f.Count
		known.extend(f.FirstSeen, f.LastSeen)
	case len(c.list) >= MaxFailures:
		c.dropped += f.Count
	default:
		if c.byKey == nil {
			c.byKey = map[string]*Failure{}
		}
		c.byKey[key] = &f
		c.list = append(c.list, &f)
	}
}

// extend stretches the time in which a failure was seen.
func (f *Failure) extend(first, last *time.Time) {
	if first != nil && (f.FirstSeen == nil || first.Before(*f.FirstSeen)) {
		f.FirstSeen = first
	}
	if last != nil && (f.LastSeen == nil || last.After(*f.LastSeen)) {
		f.LastSeen = last
	}
}

// key is equal for failures that one remedy ends: of the same principal, for the same actions, at the same place.
func (f *Failure) key() string {
	where := f.LinkedScopes
	if len(where) == 0 {
		where = slices.Clone(f.Scopes)
		for i, s := range where {
			where[i] = groupOf(s)
		}
	}
	parts := slices.Concat([]string{string(f.Kind), f.Code, first(f.ObjectID, f.Client), string(f.Actor), f.Target}, f.Actions, []string{"at"}, where)
	if f.Federation != nil {
		parts = append(parts, f.Federation.Issuer, f.Federation.Subject, f.Federation.Audience)
	}
	for _, p := range f.Policies {
		parts = append(parts, p.AssignmentID, p.DefinitionID)
	}
	return strings.ToLower(strings.Join(parts, "\x00"))
}

// groupOf is a scope up to its resource group: what is missing on one resource is mostly missing on its neighbours.
func groupOf(scope string) string {
	parts := strings.SplitN(scope, "/", 6)
	if len(parts) == 6 && strings.EqualFold(parts[3], "resourceGroups") {
		return strings.Join(parts[:5], "/")
	}
	return scope
}

// attach puts a consequence under the last failure that can be its cause.
func (c *Collector) attach(res *result) bool {
	for _, f := range slices.Backward(c.list) {
		if !res.follows(f) {
			continue
		}
		i := slices.IndexFunc(f.Consequences, func(o Consequence) bool { return o.Text == res.text })
		if i < 0 {
			f.Consequences = append(f.Consequences, Consequence{res.text, 1})
		} else {
			f.Consequences[i].Count++
		}
		return true
	}
	return false
}

// Failures are the failures so far: those of identity first, each group by its count.
func (c *Collector) Failures() []Failure {
	for _, res := range c.waiting {
		c.attach(res)
	}
	c.waiting = nil
	out := make([]Failure, 0, len(c.list))
	for _, f := range c.list {
		if f.row != timedOut() || !slices.ContainsFunc(c.list, results[waited].follows) {
			f.explain()
			out = append(out, *f)
		}
	}
	slices.SortStableFunc(out, func(a, b Failure) int {
		if a.IdentityRelated != b.IdentityRelated {
			if a.IdentityRelated {
				return -1
			}
			return 1
		}
		return b.Count - a.Count
	})
	return out
}

// result is a consequence: it has a cause elsewhere.
type result struct {
	says, text string
	of         []Kind
}

func (res *result) follows(f *Failure) bool {
	return f.row != timedOut() && slices.Contains(res.of, f.Kind)
}

var (
	pulls   = []Kind{PullUnauthorized, PullForbidden, NotIdentity}
	refused = []Kind{MissingAction, LinkedScope, DenyAssignment, Condition, FederationMismatch, InvalidClient, ExpiredSecret, IdentityNotFound, Quota, PolicyDenied, NotIdentity}
)

// waited is the place of the wording that says no more than that something was waited for.
const waited = 0

var results = []result{
	waited: {"timed out waiting for the condition", "something else timed out waiting for it", refused},
	{"Back-off pulling image", "pods wait in ImagePullBackOff", pulls},
	{"ImagePullBackOff", "pods wait in ImagePullBackOff", pulls},
	{"Unable to attach or mount volumes", "pods wait for their volumes", refused},
	{"waiting for a volume to be created", "volume claims stay pending", refused},
	{"unbound immediate PersistentVolumeClaims", "pods cannot be scheduled without their volumes", refused},
	{"Back-off restarting failed container", "pods restart over and over", refused},
}

var timedOut = sync.OnceValue(func() *Code { return Lookup("timed out waiting")[0] })

// readRecord reads a record and the times of its lines.
func readRecord(rec *record) *reading {
	var text strings.Builder
	var lines []mark
	from := 0
	for _, m := range rec.lines {
		text.WriteString(unwrap(string(rec.text[from:m.offset])))
		lines = append(lines, mark{text.Len(), m.time})
		from = m.offset
	}
	text.WriteString(unwrap(string(rec.text[from:])))
	r := read(text.String(), rec.source)
	if r.lines = lines; len(lines) == 0 {
		r.named = namedTimes(r.text)
	}
	return r
}

// namedTimes finds the times of a record that has them in fields.
func namedTimes(text string) (times []time.Time) {
	for _, key := range []string{"eventTimestamp", "firstTimestamp", "lastTimestamp", "eventTime", "timestamp", "time", "ts", "Timestamp"} {
		v := lookup(text, key)
		if t, n, _ := readTime(v); n > 0 && !t.IsZero() {
			times = append(times, t)
		} else if s, err := strconv.ParseFloat(v, 64); err == nil && s > 1e9 && s < 1e10 {
			times = append(times, time.Unix(int64(s), 0).UTC())
		}
		if len(times) > 0 && key != "firstTimestamp" {
			break
		}
	}
	return times
}

// count is how often an event was seen, as its row or document says.
func (r *reading) count() int {
	if _, rest, ok := strings.Cut(r.text, "(x"); ok {
		digits, _, over := strings.Cut(rest[:min(len(rest), 20)], " over ")
		if n, err := strconv.Atoi(digits); over && err == nil && n > 0 {
			return n
		}
	}
	if strings.Contains(r.text, "involvedObject") {
		if n, err := strconv.Atoi(lookup(r.text, "count")); err == nil && n > 0 && n < 1e9 {
			return n
		}
	}
	return 1
}

// target is the registry, vault or account that a text names by its host, if the failure's own sentence does not.
func target(text, known string) string {
	if known != "" {
		return known
	}
	for _, domain := range []string{".azurecr.", ".vault.azure.", ".vault.usgovcloudapi.", ".blob.core.", ".file.core."} {
		i := strings.Index(text, domain)
		start := i
		for start > 0 && (isLetter(text[start-1]) || digit(text[start-1]) || strings.IndexByte("-<>*_", text[start-1]) >= 0) {
			start--
		}
		if start < i {
			return text[start:i]
		}
	}
	return ""
}
