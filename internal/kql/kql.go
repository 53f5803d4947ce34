// Package kql evaluates the part of the Kusto query language that Resource Graph and activity log queries use
// (Microsoft Learn: KQL overview; supported statements of Azure Resource Graph). What it does not know it refuses by name.
package kql

import (
	"fmt"
	"iter"
	"time"
)

// Row is one record of a table: nil, bool, int64, float64, string, time.Time, time.Duration, or a dynamic value
// (map[string]any, []any) by column name. Names count with their case.
type Row = map[string]any

// Env is what a query runs on.
type Env struct {
	Tables func(name string) (iter.Seq[Row], bool)
	Now    time.Time
}

// Table is a result: the columns in order, and the rows' values in the order of the columns.
type Table struct {
	Columns []string
	Rows    [][]any
}

// Error is a query that cannot be read or run. Pos is the byte it was found at.
type Error struct {
	Pos     int
	Message string
}

func (e *Error) Error() string { return fmt.Sprintf("query, at character %d: %s", e.Pos+1, e.Message) }

func errorf(pos int, format string, args ...any) *Error {
	return &Error{pos, fmt.Sprintf(format, args...)}
}

// Bounds of what is read and made.
const (
	maxQuery = 64 << 10 // bytes
	maxDepth = 200      // of nested expressions
	MaxRows  = 500_000  // of a result
)

// Query is a query that was read.
type Query struct {
	lets []let
	pipe *pipe
}

type let struct {
	name  string
	value expr  // a scalar, or
	table *pipe // a table
}

// Parse reads a query.
func Parse(text string) (*Query, error) {
	if len(text) > maxQuery {
		return nil, errorf(0, "the query is %d bytes long, at most %d are allowed", len(text), maxQuery)
	}
	tokens, err := lex(text)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens}
	q, err := p.query()
	if err != nil {
		return nil, err
	}
	return q, nil
}

// Run evaluates the query.
func (q *Query) Run(env Env) (*Table, error) {
	s := &scope{env: env, tables: map[string]*rows{}, vars: map[string]any{}}
	for _, l := range q.lets {
		if l.table != nil {
			r, err := s.run(l.table)
			if err != nil {
				return nil, err
			}
			s.tables[l.name] = r
			continue
		}
		v, err := l.value.eval(s, nil)
		if err != nil {
			return nil, err
		}
		s.vars[l.name] = v
	}
	r, err := s.run(q.pipe)
	if err != nil {
		return nil, err
	}
	return r.table(), nil
}

// scope is what names stand for while a query runs.
type scope struct {
	env    Env
	tables map[string]*rows
	vars   map[string]any
}

// rows is a table on its way through the operators. Columns that no operator named are in the order of appearance.
type rows struct {
	columns []string
	all     []Row
}

func (r *rows) table() *Table {
	t := &Table{Columns: r.columns, Rows: make([][]any, len(r.all))}
	for i, row := range r.all {
		t.Rows[i] = make([]any, len(r.columns))
		for j, c := range r.columns {
			t.Rows[i][j] = row[c]
		}
	}
	return t
}
