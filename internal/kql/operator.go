package kql

import (
	"path"
	"slices"
	"strings"
)

// op is a tabular operator.
type op interface {
	run(s *scope, in *rows) (*rows, error)
}

func (s *scope) run(p *pipe) (*rows, error) {
	r, err := s.source(p)
	if err != nil {
		return nil, err
	}
	for _, o := range p.ops {
		if r, err = o.run(s, r); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (s *scope) source(p *pipe) (*rows, error) {
	if r, ok := s.tables[p.source]; ok {
		return r, nil
	}
	table, ok := s.env.Tables(p.source)
	if !ok {
		return nil, errorf(p.pos, "the table %s is not known", p.source)
	}
	r := &rows{}
	seen := map[string]bool{}
	for row := range table {
		if len(r.all) == MaxRows {
			return nil, errorf(p.pos, "the table %s has more than %d rows", p.source, MaxRows)
		}
		for name := range row {
			if !seen[name] {
				seen[name] = true
				r.columns = append(r.columns, name)
			}
		}
		r.all = append(r.all, row)
	}
	slices.Sort(r.columns)
	return r, nil
}

type where struct{ cond expr }

func (o where) run(s *scope, in *rows) (*rows, error) {
	out := &rows{columns: in.columns}
	for _, row := range in.all {
		v, err := o.cond.eval(s, row)
		if err != nil {
			return nil, err
		}
		if b, _ := toBool(v); b {
			out.all = append(out.all, row)
		}
	}
	return out, nil
}

// project keeps the named columns; extend adds them.
type project struct {
	list   []named
	extend bool
}

func (o project) run(s *scope, in *rows) (*rows, error) {
	out := &rows{all: make([]Row, len(in.all))}
	if o.extend {
		out.columns = slices.Clone(in.columns)
	}
	names := columnNames(o.list)
	for _, n := range names {
		if !slices.Contains(out.columns, n) {
			out.columns = append(out.columns, n)
		}
	}
	for i, row := range in.all {
		made := Row{}
		if o.extend {
			for k, v := range row {
				made[k] = v
			}
		}
		for j, n := range o.list {
			v, err := n.expr.eval(s, row)
			if err != nil {
				return nil, err
			}
			made[names[j]] = v
		}
		out.all[i] = made
	}
	return out, nil
}

// columnNames names the columns that nobody named: Column1 and so on.
func columnNames(list []named) []string {
	out := make([]string, len(list))
	n := 0
	for i, c := range list {
		if out[i] = c.name; out[i] == "" {
			n++
			out[i] = "Column" + str(int64(n))
		}
	}
	return out
}

type projectAway struct {
	names []string
	keep  bool
}

func (o projectAway) run(_ *scope, in *rows) (*rows, error) {
	out := &rows{all: in.all}
	for _, c := range in.columns {
		named := slices.ContainsFunc(o.names, func(pattern string) bool {
			ok, _ := path.Match(pattern, c)
			return ok
		})
		if named == o.keep {
			out.columns = append(out.columns, c)
		}
	}
	return out, nil
}

type rename struct{ list []named }

func (o rename) run(_ *scope, in *rows) (*rows, error) {
	out := &rows{columns: slices.Clone(in.columns)}
	from := map[string]string{}
	for _, n := range o.list {
		c, ok := n.expr.(column)
		if !ok {
			return nil, errorf(n.pos, "a column was expected")
		}
		if i := slices.Index(out.columns, c.name); i >= 0 {
			out.columns[i] = n.name
		}
		from[n.name] = c.name
	}
	for _, row := range in.all {
		made := Row{}
		for _, c := range out.columns {
			if old, ok := from[c]; ok {
				made[c] = row[old]
			} else {
				made[c] = row[c]
			}
		}
		out.all = append(out.all, made)
	}
	return out, nil
}

// distinct keeps one row of those that are alike in some columns, or in all.
type distinct struct{ list []named }

func (o distinct) run(s *scope, in *rows) (*rows, error) {
	if o.list != nil {
		var err error
		if in, err = (project{list: o.list}).run(s, in); err != nil {
			return nil, err
		}
	}
	out := &rows{columns: in.columns}
	seen := map[string]bool{}
	for _, row := range in.all {
		id := identity(in.values(row, in.columns))
		if !seen[id] {
			seen[id] = true
			out.all = append(out.all, row)
		}
	}
	return out, nil
}

func (r *rows) values(row Row, columns []string) []any {
	out := make([]any, len(columns))
	for i, c := range columns {
		out[i] = normal(row[c])
	}
	return out
}

type take struct{ n int }

func (o take) run(_ *scope, in *rows) (*rows, error) {
	return &rows{columns: in.columns, all: in.all[:min(o.n, len(in.all))]}, nil
}

type order struct{ keys []key }

func (o order) run(s *scope, in *rows) (*rows, error) {
	type keyed struct {
		row  Row
		keys []any
	}
	all := make([]keyed, len(in.all))
	for i, row := range in.all {
		all[i] = keyed{row, make([]any, len(o.keys))}
		for j, k := range o.keys {
			var err error
			if all[i].keys[j], err = k.expr.eval(s, row); err != nil {
				return nil, err
			}
		}
	}
	slices.SortStableFunc(all, func(a, b keyed) int {
		for j, k := range o.keys {
			if n := k.compare(a.keys[j], b.keys[j]); n != 0 {
				return n
			}
		}
		return 0
	})
	out := &rows{columns: in.columns, all: make([]Row, len(all))}
	for i, k := range all {
		out.all[i] = k.row
	}
	return out, nil
}

func (k key) compare(a, b any) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil || b == nil:
		if (a == nil) == k.nullsFirst {
			return -1
		}
		return 1
	}
	if k.ascending {
		return sorted(a, b)
	}
	return sorted(b, a)
}

type top struct {
	n  int
	by order
}

func (o top) run(s *scope, in *rows) (*rows, error) {
	r, err := o.by.run(s, in)
	if err != nil {
		return nil, err
	}
	return take{o.n}.run(s, r)
}

// expand makes a row of each element of an array, or of each member of an object.
type expand struct{ list []named }

func (o expand) run(s *scope, in *rows) (*rows, error) {
	names := columnNames(o.list)
	out := &rows{columns: slices.Clone(in.columns)}
	for _, n := range names {
		if !slices.Contains(out.columns, n) {
			out.columns = append(out.columns, n)
		}
	}
	for _, row := range in.all {
		parts := make([][]any, len(o.list))
		longest := 1
		for i, n := range o.list {
			v, err := n.expr.eval(s, row)
			if err != nil {
				return nil, err
			}
			parts[i] = elements(v)
			longest = max(longest, len(parts[i]))
		}
		for k := range longest {
			if len(out.all) == MaxRows {
				return nil, errorf(o.list[0].pos, "mv-expand makes more than %d rows", MaxRows)
			}
			made := Row{}
			for c, v := range row {
				made[c] = v
			}
			for i, name := range names {
				made[name] = nil
				if k < len(parts[i]) {
					made[name] = normal(parts[i][k])
				}
			}
			out.all = append(out.all, made)
		}
	}
	return out, nil
}

func elements(v any) []any {
	switch v := v.(type) {
	case []any:
		return v
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		out := make([]any, len(keys))
		for i, k := range keys {
			out[i] = map[string]any{k: v[k]}
		}
		return out
	}
	return []any{v}
}

type union struct{ with []*pipe }

func (o union) run(s *scope, in *rows) (*rows, error) {
	out := &rows{columns: slices.Clone(in.columns), all: slices.Clone(in.all)}
	for _, p := range o.with {
		r, err := s.run(p)
		if err != nil {
			return nil, err
		}
		for _, c := range r.columns {
			if !slices.Contains(out.columns, c) {
				out.columns = append(out.columns, c)
			}
		}
		if out.all = append(out.all, r.all...); len(out.all) > MaxRows {
			return nil, errorf(p.pos, "union makes more than %d rows", MaxRows)
		}
	}
	return out, nil
}

// join puts rows side by side that are alike in some columns. A column that both sides have is named anew on the right: id1.
type join struct {
	kind  string
	right *pipe
	on    [][2]string
}

func (o join) run(s *scope, in *rows) (*rows, error) {
	right, err := s.run(o.right)
	if err != nil {
		return nil, err
	}
	left, rightOn := make([]string, len(o.on)), make([]string, len(o.on))
	for i, k := range o.on {
		left[i], rightOn[i] = k[0], k[1]
	}
	index := map[string][]Row{}
	for _, row := range right.all {
		id := joinID(right.values(row, rightOn))
		index[id] = append(index[id], row)
	}
	out := &rows{columns: slices.Clone(in.columns)}
	names := o.rightNames(in, right, out)
	seen := map[string]bool{}
	for _, row := range in.all {
		id := joinID(in.values(row, left))
		if o.kind == "innerunique" && seen[id] {
			continue
		}
		seen[id] = true
		if err := o.match(out, row, index[id], names); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func joinID(values []any) string {
	var b strings.Builder
	for _, v := range values {
		b.WriteString(str(v))
		b.WriteByte(0)
	}
	return b.String()
}

// rightNames are what the right side's columns are called in the result.
func (o join) rightNames(left, right, out *rows) map[string]string {
	names := map[string]string{}
	if o.kind == "leftanti" || o.kind == "leftsemi" {
		return names
	}
	for _, c := range right.columns {
		name := c
		for n := int64(1); slices.Contains(out.columns, name); n++ {
			name = c + str(n)
		}
		names[c] = name
		out.columns = append(out.columns, name)
	}
	return names
}

func (o join) match(out *rows, row Row, hits []Row, names map[string]string) error {
	switch {
	case o.kind == "leftanti" || o.kind == "leftsemi":
		if (len(hits) > 0) == (o.kind == "leftsemi") {
			out.all = append(out.all, row)
		}
		return nil
	case len(hits) == 0 && o.kind == "leftouter":
		out.all = append(out.all, row)
		return nil
	}
	for _, hit := range hits {
		if len(out.all) == MaxRows {
			return errorf(o.right.pos, "join makes more than %d rows", MaxRows)
		}
		made := Row{}
		for k, v := range row {
			made[k] = v
		}
		for c, name := range names {
			made[name] = hit[c]
		}
		out.all = append(out.all, made)
	}
	return nil
}
