package template

import (
	"strings"
)

// kinds is a set of types that a parameter of a function takes.
type kinds uint8

const (
	nullKind kinds = 1 << iota
	boolKind
	intKind
	floatKind
	stringKind
	arrayKind
	objectKind
	lambdaKind
	anyKind = nullKind | boolKind | intKind | floatKind | stringKind | arrayKind | objectKind
)

var kindNames = map[string]kinds{"any": anyKind, "null": nullKind, "bool": boolKind, "int": intKind, "string": stringKind,
	"array": arrayKind, "object": objectKind, "lambda": lambdaKind, "number": intKind | floatKind}

// words is how messages call the types of k.
func (k kinds) words() string {
	var names []string
	for _, name := range []string{"null", "object", "array", "string", "int", "bool", "lambda"} {
		if k&kindNames[name] != 0 {
			names = append(names, strings.Replace(name, "int", "integer", 1))
		}
	}
	return strings.Join(names, " or ")
}

var kindOf = map[string]kinds{"Null": nullKind, "Boolean": boolKind, "Integer": intKind, "Float": floatKind, "String": stringKind,
	"Array": arrayKind, "Object": objectKind, "Lambda": lambdaKind}

func (k kinds) fits(v any) bool { return isUnknown(v) || k&kindOf[typeName(v)] != 0 }

// function is one of ARM's own.
type function struct {
	params  []kinds
	least   int  // arguments that must be there
	rest    bool // the last parameter can be repeated
	lax     bool // containers may have unknown parts; parameters of any type may be unknown
	text    bool // makes a text from its arguments, so that a part of it can be told when one is unknown
	runtime bool // reads what is deployed, so it stands in properties and outputs only
	once    bool // gives another value in each deployment, so it stands in default values only
	call    func(e *env, args []any) (any, error)
}

// def reads a signature, as in "string array|string int? any...": ? is optional, ... may be repeated, ?... is both.
func def(signature string, call func(e *env, args []any) (any, error)) *function {
	f := &function{call: call}
	for _, word := range strings.Fields(signature) {
		types, repeated := strings.CutSuffix(word, "...")
		types, optional := strings.CutSuffix(types, "?")
		var k kinds
		for _, name := range strings.Split(types, "|") {
			k |= kindNames[name]
		}
		f.params, f.rest = append(f.params, k), repeated
		if !optional {
			f.least = len(f.params)
		}
	}
	return f
}

func (f *function) isLax() *function     { f.lax = true; return f }
func (f *function) makesText() *function { f.text = true; return f }
func (f *function) isRuntime() *function { f.runtime = true; return f }
func (f *function) isOnce() *function    { f.once = true; return f }

// param is what argument i may be.
func (f *function) param(i int) kinds { return f.params[min(i, len(f.params)-1)] }

func (f *function) arity(name string, n int) error {
	most := len(f.params)
	see := " Please see https://aka.ms/arm-functions#" + name + " for usage details."
	switch {
	case n >= f.least && (n <= most || f.rest):
		return nil
	case f.rest && f.least == 1:
		return faultf("Unable to evaluate template language function '%s'. At least one parameter should be provided. "+seeFunctions, name)
	case f.rest:
		return faultf("Unable to evaluate template language function '%s': function requires at least %d argument(s) while %d were provided."+see, name, f.least, n)
	case f.least == most:
		return faultf("Unable to evaluate template language function '%s': function requires %d argument(s) while %d were provided."+see, name, most, n)
	}
	return faultf("Unable to evaluate template language function '%s': function requires between %d and %d argument(s) while %d were provided."+see, name, f.least, most, n)
}

// mismatch says which types a function expects, and which it was given.
func (f *function) mismatch(name string, args []any) error {
	see := " Please see https://aka.ms/arm-functions#" + name + " for usage details."
	if len(args) == 1 {
		return faultf("The template language function '%s' expects its parameter to be of type %s. The provided value is of type '%s'."+see,
			name, f.param(0).words(), typeName(args[0]))
	}
	var want, got []string
	for i, a := range args {
		want = append(want, f.param(i).words())
		got = append(got, "'"+typeName(a)+"'")
	}
	return faultf("The template language function '%s' expects its parameters to be of type %s. The provided value is of type %s."+see,
		name, and(want), and(got))
}

func and(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

// special are the functions that do not simply take values; functions are the others. Both by lower-cased name.
var (
	special   map[string]func(*env, *expr) (any, error)
	functions map[string]*function
)

// The tables are filled here, as their functions evaluate expressions and so need the tables.
func init() {
	special = map[string]func(*env, *expr) (any, error){
		"if": evalIf, "and": evalAnd, "or": evalOr, "coalesce": evalCoalesce, "lambda": evalLambda,
		"parameters": evalParameters, "variables": evalVariables, "lambdavariables": evalLambdaVariables, "copyindex": evalCopyIndex,
		"reference": evalReference, "references": evalReferences, "resourceinfo": evalResourceInfo,
	}
	functions = map[string]*function{}
	for _, group := range []map[string]*function{logicFunctions(), numberFunctions(), stringFunctions(), arrayFunctions(), objectFunctions(),
		lambdaFunctions(), dateFunctions(), cidrFunctions(), idFunctions(), scopeFunctions()} {
		for name, f := range group {
			functions[strings.ToLower(name)] = f
		}
	}
}

// find is a function by name; every name that begins with list is one that a resource provider answers.
func find(name string) *function {
	name = strings.ToLower(name)
	if f := functions[name]; f != nil {
		return f
	}
	if strings.HasPrefix(name, "list") {
		return listFunction(name)
	}
	return nil
}

// allowed reports whether a function may stand where e is.
func (e *env) allowed(f *function, name string) error {
	if f.once && e.spot != inDefault || f.runtime && e.spot != inBody && e.spot != inOutput {
		return faultf("The template function '%s' is not expected at this location. "+seeFunctions, name)
	}
	return nil
}
