package report

import (
	"fmt"
	"slices"
	"strings"

	"aksid/internal/catalogue"
	"aksid/internal/finding"
	"aksid/internal/plain"
)

// picture is the map of a cluster's identities: cluster → identity → role → scope, laid out in pixels.
type picture struct {
	Anchor        string // of the heading that it stands under
	Title, Text   string // for who does not see it
	Width, Height int
	Nodes         []mapNode
	Edges         []mapEdge
}

// mapNode is a box with a name and, below it, what there is to say of it.
type mapNode struct {
	Class       string
	X, Y, W, H  int
	Name, Small string // cut to the box
	Whole       string // not cut
}

// TX, TY and SY are where the texts of a node begin.
func (n mapNode) TX() int { return n.X + 10 }

// TY is further down where there is no second line.
func (n mapNode) TY() int {
	if n.Small == "" {
		return n.Y + n.H/2 + 5
	}
	return n.Y + n.H/2 - 3
}

// SY is that of the second line.
func (n mapNode) SY() int { return n.Y + n.H/2 + 14 }

// mapEdge is a curve between two boxes.
type mapEdge struct {
	Class          string
	X1, Y1, X2, Y2 int
}

// XM is where a curve bends.
func (e mapEdge) XM() int { return (e.X1 + e.X2) / 2 }

// The columns of the map, and the pitch of its rows.
var columns = [...]struct{ x, width int }{{0, 150}, {190, 230}, {460, 220}, {720, 290}}

const (
	boxHeight = 44
	rowPitch  = 54
	groupGap  = 14 // between the rows of two identities
)

// draw makes the map of a cluster.
func draw(c Cluster, index int) picture {
	p := picture{Anchor: fmt.Sprintf("c%d-map", index), Title: plain.Text("Map of the identities of " + c.Name), Width: columns[3].x + columns[3].width + 2}
	var identities []mapNode
	var text []string
	y := 1
	for _, i := range c.Identities {
		var roles []mapNode
		for _, h := range holdings(c, i) {
			roles = append(roles, p.holding(h, y))
			text = append(text, plain.Text(fmt.Sprintf("%s %s: %s.", i.label, i.Name, h.text())))
			y += rowPitch
		}
		box := p.box(1, between(roles), "", i.label, i.Name)
		for _, r := range roles {
			p.edge(r.Class, box, r)
		}
		identities = append(identities, box)
		y += groupGap
	}
	root := p.box(0, between(identities), "", c.Name, "cluster")
	for _, i := range identities {
		p.edge("", root, i)
	}
	p.Text = strings.Join(text, " ")
	p.Height = max(y-groupGap-rowPitch, 1) + boxHeight + 1
	return p
}

// between is the height at which something stands beside a column of boxes.
func between(boxes []mapNode) int {
	if len(boxes) == 0 {
		return 1
	}
	return (boxes[0].Y + boxes[len(boxes)-1].Y) / 2
}

// holding adds a role and where it is, and returns the role's box.
func (p *picture) holding(h holding, y int) mapNode {
	role := p.box(2, y, h.class, h.role, h.note)
	if h.place != "" {
		name, where := split(h.place)
		p.edge(h.class, role, p.box(3, y, strings.TrimSpace(h.class+" scope"), name, where))
	}
	return role
}

// split takes a place, as estate.Place says it, apart: what it is called, and where or what it is.
func split(place string) (name, where string) {
	name, where, _ = strings.Cut(place, " (")
	where = strings.TrimSuffix(where, ")")
	if group, ok := strings.CutPrefix(name, resourceGroup); ok {
		return group, strings.TrimSpace(resourceGroup + where)
	}
	if sub, ok := strings.CutSuffix(name, " subscription"); ok {
		return strings.TrimPrefix(sub, "the "), "subscription"
	}
	return name, where
}

// Widths of letters in pixels: what fits into a box is only estimated, and the whole text is there to hover over.
const (
	letter      = 7.2
	smallLetter = 6.7
)

func (p *picture) box(column, y int, class, name, small string) mapNode {
	room := float64(columns[column].width - 20)
	n := mapNode{Class: class, X: columns[column].x + 1, Y: y, W: columns[column].width, H: boxHeight,
		Name: cut(plain.Text(name), int(room/letter)), Small: cut(plain.Text(small), int(room/smallLetter)), Whole: plain.Text(strings.TrimSuffix(name+": "+small, ": "))}
	p.Nodes = append(p.Nodes, n)
	return n
}

func (p *picture) edge(class string, from, to mapNode) {
	p.Edges = append(p.Edges, mapEdge{class, from.X + from.W, from.Y + from.H/2, to.X, to.Y + to.H/2})
}

// cut shortens a text in its middle to a number of letters; those of East Asia count twice.
func cut(s string, most int) string {
	runes := []rune(s)
	width := 0
	for _, r := range runes {
		width += letters(r)
	}
	if width <= most {
		return s
	}
	head, tail := 0, len(runes)
	for room := most - 1; ; {
		if room -= letters(runes[head]); room < 0 {
			break
		}
		head++
		if room -= letters(runes[tail-1]); room < 0 {
			break
		}
		tail--
	}
	return string(runes[:head]) + "…" + string(runes[tail:])
}

func letters(r rune) int {
	if r >= 0x1100 {
		return 2
	}
	return 1
}

// holding is a role that an identity has somewhere, or has not although it needs it.
type holding struct{ class, role, place, note string }

// Classes of the style: as it is, not there, not known, and what a finding speaks of.
const (
	wanting = "wanting"
	unsure  = "unsure"
	much    = "much"
)

func (h holding) text() string {
	out := h.role
	if h.place != "" {
		out += " on " + h.place
	}
	if h.note != "" {
		out += " (" + h.note + ")"
	}
	return out
}

// holdings are an identity's roles and what it lacks, one of each kind.
func holdings(c Cluster, i Identity) []holding {
	out := held(c, i)
	for _, q := range c.Requirements {
		if q.by != i.label || q.Needed != catalogue.Now {
			continue
		}
		h := holding{wanting, q.Role, q.place, "✗ " + string(q.Status)}
		switch q.Status {
		case finding.Granted:
			continue
		case finding.Unknown:
			h.class, h.note = unsure, "? not known"
		}
		if !slices.Contains(out, h) {
			out = append(out, h)
		}
	}
	switch {
	case len(out) > 0:
	case i.PrincipalID == nil:
		out = []holding{{class: unsure, role: "roles", note: "? not known"}}
	default:
		out = []holding{{role: "no roles"}}
	}
	return out
}

func held(c Cluster, i Identity) []holding {
	var out []holding
	for n, a := range i.Assignments {
		if n == maxRoles {
			return append(out, holding{role: fmt.Sprintf("and %d more", len(i.Assignments)-n)})
		}
		h := holding{role: a.Role, place: a.place, note: special(a)}
		if rule := complaint(c, a); rule != "" {
			h.class, h.note = much, strings.TrimSuffix("! "+rule+", "+h.note, ", ")
		}
		out = append(out, h)
	}
	return out
}

// complaint is the rule by which a finding speaks of an assignment, "" where none does.
func complaint(c Cluster, a Assignment) string {
	for _, f := range c.Findings {
		if f.Severity.AtLeast(finding.Warning) && f.PrincipalID != nil && *f.PrincipalID == a.PrincipalID && f.Scope.Equal(a.Scope) && !ofNeed[f.Rule] {
			return f.Rule
		}
	}
	return ""
}

// ofNeed are the rules that say that a need is not met.
var ofNeed = func() map[string]bool {
	out := map[string]bool{}
	for _, q := range catalogue.All() {
		out[finding.MissingID(q)] = true
	}
	return out
}()
