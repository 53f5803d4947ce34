package rbac

import (
	"runtime"
	"strings"
	"sync"
	"weak"

	"aksid/internal/azure"
)

// truth is a three-valued answer, ordered: and is the least, or the greatest.
type truth uint8

const (
	no truth = iota
	maybe
	yes
)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

// condition is an ABAC condition (azure-facts 3.5; Microsoft Learn: Azure role assignment condition format and syntax).
// It is compiled once for each text.
type condition struct {
	op      conditionOp
	pattern string       // of ActionMatches and SubOperationMatches
	parts   []*condition // of not, and, or
	attr    attribute    // of Exists
	comparison
}

type conditionOp uint8

const (
	opOpaque conditionOp = iota // not understood: it may be anything
	opActionMatches
	opSubOperationMatches
	opExists
	opCompare
	opNot
	opAnd
	opOr
)

// compiled are the conditions in use, weakly, by their texts.
var compiled sync.Map

type compiledText struct {
	text      string
	condition weak.Pointer[condition]
}

// conditionOf is nil for no condition. What is no condition is opaque, as far as it is not understood.
func conditionOf(text string) *condition {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil
	}
	if w, ok := compiled.Load(text); ok {
		if c := w.(weak.Pointer[condition]).Value(); c != nil {
			return c
		}
	}
	c, _ := parseCondition(text)
	entry := compiledText{text, weak.Make(c)}
	compiled.Store(text, entry.condition)
	runtime.AddCleanup(c, func(e compiledText) { compiled.CompareAndDelete(e.text, e.condition) }, entry)
	return c
}

// eval answers for a request: its action, its time and its attributes. No condition is true.
func (c *condition) eval(r *Request) truth {
	if c == nil {
		return yes
	}
	switch c.op {
	case opActionMatches:
		return truthOf(MatchAction(c.pattern, r.Action))
	case opSubOperationMatches:
		return c.subOperation(r)
	case opExists:
		_, t := c.attr.of(r)
		return t
	case opCompare:
		return c.compare(r)
	case opNot:
		return yes - c.parts[0].eval(r)
	case opAnd:
		t := yes
		for _, part := range c.parts {
			t = min(t, part.eval(r))
		}
		return t
	case opOr:
		t := no
		for _, part := range c.parts {
			t = max(t, part.eval(r))
		}
		return t
	}
	return maybe
}

// subOperation compares what a service calls its operation, as Blob.List, where one action stands for several.
func (c *condition) subOperation(r *Request) truth {
	v, t := attribute{fromRequest, AttributeSubOperation}.of(r)
	if t != yes {
		return t
	}
	name, _ := v.(string)
	return truthOf(MatchAction(c.pattern, azure.Action(name)))
}
