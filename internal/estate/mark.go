package estate

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"aksid/internal/azure"
	"aksid/internal/rbac"
)

// Mark is what the description of a role assignment says that was given in an emergency, for a time. Azure does not end such
// an assignment: whoever finds the mark knows when to take it away, also where every other record of it is lost.
type Mark struct {
	Request   string // id of the request in its record
	Until     time.Time
	Requester azure.PrincipalID
	Approver  azure.PrincipalID
	Cluster   azure.ID
}

// markPrefix begins the description of a marked assignment.
const markPrefix = "aksid break-glass "

// TicketSystem is what a request to Privileged Identity Management names as the system of its ticket, which is the request's id.
const TicketSystem = "aksid break-glass"

// String is the description. Azure takes 1,024 characters there.
func (m Mark) String() string {
	return fmt.Sprintf(markPrefix+"%s until %s requested by %s approved by %s for %s", m.Request, m.Until.UTC().Format(time.RFC3339), m.Requester, m.Approver, m.Cluster)
}

var markShape = regexp.MustCompile(`^` + markPrefix + `([\w-]{1,64}) until (\S+) requested by (\S+) approved by (\S+) for (/\S+)$`)

// ParseMark reads a description. Marked is true for anything that begins as a mark does; ok, if it can be read whole.
func ParseMark(description string) (m Mark, marked, ok bool) {
	if !strings.HasPrefix(description, markPrefix) {
		return m, false, false
	}
	part := markShape.FindStringSubmatch(description)
	if part == nil {
		return m, true, false
	}
	var bad [4]error
	m.Request = part[1]
	m.Until, bad[0] = time.Parse(time.RFC3339, part[2])
	m.Requester, bad[1] = azure.ParseGUID(part[3])
	m.Approver, bad[2] = azure.ParseGUID(part[4])
	m.Cluster, bad[3] = azure.ParseID(part[5])
	return m, true, !slices.ContainsFunc(bad[:], func(err error) bool { return err != nil })
}

// Marked is a role assignment that was given in an emergency.
type Marked struct {
	Grant *rbac.Grant
	Mark  Mark
	Text  string // the whole mark
	OK    bool   // the mark can be read
}

// Marked are the role assignments that carry a mark, by scope.
func (e *Estate) Marked() []Marked {
	var out []Marked
	if len(e.marks) == 0 { // as almost always: of a fleet, all assignments are a lot to look through for each cluster
		return nil
	}
	for g := range e.Policy.Grants() {
		if text, ok := e.marks[g.ID.Key()]; ok {
			m, _, ok := ParseMark(text)
			out = append(out, Marked{g, m, text, ok})
		}
	}
	slices.SortFunc(out, func(x, y Marked) int { return byScope(x.Grant, y.Grant) })
	return out
}

// noteMark keeps the description of an assignment if it is a mark: of a fleet, all descriptions would be too much.
func (b *builder) noteMark(id azure.ID, description string) {
	if _, marked, _ := ParseMark(description); marked {
		b.estate.marks[id.Key()] = description
	}
}
