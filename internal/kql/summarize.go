package kql

import (
	"slices"
)

// aggregate folds the rows of a group into a value.
type aggregate struct {
	min, max int // numbers of arguments
	fold     func(g *group) (any, error)
}

// group is the rows that an aggregate folds, and its arguments.
type group struct {
	s    *scope
	rows []Row
	call call
}

// each calls fn with the argument's value for each row, null left out.
func (g *group) each(arg int, fn func(v any, row Row)) error {
	for _, row := range g.rows {
		v, err := g.call.args[arg].eval(g.s, row)
		if err != nil {
			return err
		}
		if v != nil {
			fn(v, row)
		}
	}
	return nil
}

// when calls fn for the rows for which an argument is true.
func (g *group) when(arg int, fn func(row Row)) error {
	return g.each(arg, func(v any, row Row) {
		if b, _ := toBool(v); b {
			fn(row)
		}
	})
}

var aggregates map[string]*aggregate

func init() { // the aggregates evaluate expressions, which look aggregates up
	aggregates = map[string]*aggregate{
		"count": {0, 0, func(g *group) (any, error) { return int64(len(g.rows)), nil }},
		"countif": {1, 1, func(g *group) (any, error) {
			n := int64(0)
			err := g.when(0, func(Row) { n++ })
			return n, err
		}},
		"dcount": {1, 2, func(g *group) (any, error) {
			seen := map[string]bool{}
			err := g.each(0, func(v any, _ Row) { seen[str(v)] = true })
			return int64(len(seen)), err
		}},
		"sum": {1, 1, func(g *group) (any, error) { total, _, err := g.sum(); return total, err }},
		"avg": {1, 1, average},
		"min": {1, 1, func(g *group) (any, error) { v, _, err := g.extreme(-1); return v, err }},
		"max": {1, 1, func(g *group) (any, error) { v, _, err := g.extreme(1); return v, err }},
		"make_list": {1, 2, func(g *group) (any, error) {
			out := []any{}
			err := g.each(0, func(v any, _ Row) { out = append(out, v) })
			return out, err
		}},
		"make_set": {1, 2, func(g *group) (any, error) { return g.set() }},
		"makeset":  {1, 2, func(g *group) (any, error) { return g.set() }},
		"any":      {1, 1, first}, "take_any": {1, 1, first},
	}
	for name, sign := range map[string]int{"arg_max": 1, "arg_min": -1} {
		aggregates[name] = &aggregate{2, 100, func(g *group) (any, error) {
			_, row, err := g.extreme(sign)
			return row, err
		}}
	}
}

func (g *group) sum() (any, int, error) {
	whole, exact, n := int64(0), true, 0
	total := 0.0
	err := g.each(0, func(v any, _ Row) {
		f, ok := toFloat(v)
		if !ok {
			return
		}
		i, isInt := v.(int64)
		whole, exact = whole+i, exact && isInt
		total += f
		n++
	})
	if exact {
		return whole, n, err
	}
	return total, n, err
}

func average(g *group) (any, error) {
	total, n, err := g.sum()
	if err != nil || n == 0 {
		return nil, err
	}
	f, _ := toFloat(total)
	return f / float64(n), nil
}

// extreme is the greatest value (sign 1) or the least (-1), and its row.
func (g *group) extreme(sign int) (any, Row, error) {
	var best any
	var of Row
	err := g.each(0, func(v any, row Row) {
		if best == nil || sorted(v, best)*sign > 0 {
			best, of = v, row
		}
	})
	return best, of, err
}

func (g *group) set() (any, error) {
	out := []any{}
	err := g.each(0, func(v any, _ Row) { out = unique(out, v) })
	return out, err
}

func first(g *group) (any, error) {
	var v any
	err := g.each(0, func(x any, _ Row) {
		if v == nil {
			v = x
		}
	})
	return v, err
}

func sortValues(all []any) { slices.SortFunc(all, sorted) }

// summarize makes one row of each group of rows that are alike in by.
type summarize struct{ aggs, by []named }

func (o summarize) run(s *scope, in *rows) (*rows, error) {
	names := columnNames(o.by)
	out := &rows{columns: slices.Clone(names)}
	groups, order, err := o.groups(s, in)
	if err != nil {
		return nil, err
	}
	for _, id := range order {
		g := groups[id]
		row := Row{}
		for i, n := range names {
			row[n] = g.by[i]
		}
		for _, a := range o.aggs {
			if err := fold(s, a, g.rows, row, in, out); err != nil {
				return nil, err
			}
		}
		out.all = append(out.all, row)
	}
	if len(order) == 0 { // the columns of no rows
		for _, a := range o.aggs {
			if err := fold(s, a, nil, Row{}, in, out); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

type grouped struct {
	by   []any
	rows []Row
}

func (o summarize) groups(s *scope, in *rows) (map[string]*grouped, []string, error) {
	groups := map[string]*grouped{}
	var order []string
	if len(o.by) == 0 { // without by there is one group, also of no rows
		return map[string]*grouped{"": {rows: in.all}}, []string{""}, nil
	}
	for _, row := range in.all {
		by := make([]any, len(o.by))
		for i, n := range o.by {
			var err error
			if by[i], err = n.expr.eval(s, row); err != nil {
				return nil, nil, err
			}
		}
		id := identity(by)
		if groups[id] == nil {
			groups[id] = &grouped{by: by}
			order = append(order, id)
		}
		groups[id].rows = append(groups[id].rows, row)
	}
	return groups, order, nil
}

// fold writes an aggregate's columns into a row. arg_max and arg_min have several.
func fold(s *scope, a named, all []Row, row Row, in, out *rows) error {
	c := a.expr.(call)
	agg := aggregates[c.name]
	if len(c.args) < agg.min || len(c.args) > agg.max {
		return errorf(c.pos, "%s() has %d arguments", c.name, len(c.args))
	}
	v, err := agg.fold(&group{s, all, c})
	if err != nil {
		return err
	}
	set := func(name string, v any) {
		row[name] = v
		if !slices.Contains(out.columns, name) {
			out.columns = append(out.columns, name)
		}
	}
	if c.name != "arg_max" && c.name != "arg_min" {
		set(a.name, v)
		return nil
	}
	best, _ := v.(Row)
	for _, arg := range c.args {
		if _, ok := arg.(star); ok {
			for _, column := range in.columns {
				if _, there := row[column]; !there {
					set(column, best[column])
				}
			}
			continue
		}
		value, err := arg.eval(s, best)
		if best == nil {
			value, err = nil, nil
		}
		if err != nil {
			return err
		}
		set(impliedName(arg), value)
	}
	return nil
}
