package template

import (
	"errors"
	"fmt"
	"net/http"

	"aksid/internal/azure"
)

// Error is a fault of a template, of its parameters or of a deployment's body, in ARM's words.
type Error struct {
	Code         string // InvalidTemplate, InvalidRequestContent or DeploymentOutputEvaluationFailed
	Message      string
	Line, Column int    // where the faulty part stands, from 1; 0 where ARM names no place
	Path         string // of the faulty part in the template, as in resources[3].type; "" where ARM names no place

	node *node
}

func (e *Error) Error() string { return fmt.Sprintf("(%s) %s", e.Code, e.Message) }

// Azure is the answer of ARM: status 400. ARM adds the position as additionalInfo of type TemplateViolation.
func (e *Error) Azure() *azure.Error {
	return &azure.Error{Status: http.StatusBadRequest, Code: e.Code, Message: e.Message}
}

// Codes of errors.
const (
	codeTemplate = "InvalidTemplate"
	codeRequest  = "InvalidRequestContent"
	codeOutput   = "DeploymentOutputEvaluationFailed"
)

// Where ARM's texts send their readers.
const (
	seeFunctions  = "Please see https://aka.ms/arm-functions for usage details."
	seeResources  = "Please see https://aka.ms/arm-syntax-resources for usage details."
	seeParameters = "Please see https://aka.ms/arm-syntax-parameters for usage details."
	seeVariables  = "Please see https://aka.ms/arm-syntax-variables for usage details."
	seeFile       = "Please see https://aka.ms/arm-create-parameter-file for usage details."
	seeTemplate   = "Please see https://aka.ms/arm-template for usage details."
	seeCopy       = "Please see https://aka.ms/arm-copy for usage details."
)

// fault is what is wrong in an expression or a value, before the place is known that it was met at.
type fault string

func (f fault) Error() string { return string(f) }

func faultf(format string, args ...any) error { return fault(fmt.Sprintf(format, args...)) }

// errUnknown is a function's way to say that its result is known only to the deployment.
var errUnknown = errors.New("unknown until deployment")

// invalid is the fault of a template as ARM's validation reports it.
func invalid(at *node, format string, args ...any) *Error {
	e := &Error{Code: codeTemplate, Message: "Deployment template validation failed: '" + fmt.Sprintf(format, args...) + "'."}
	return e.at(at)
}

func (e *Error) at(n *node) *Error {
	if n != nil {
		e.Line, e.Column, e.node = int(n.line), int(n.col), n
	}
	return e
}

// place turns a fault into an error with one of ARM's texts around it; an error that has its place keeps it.
func place(err error, at *node, format string, args ...any) *Error {
	var placed *Error
	if errors.As(err, &placed) {
		if placed.node == nil {
			placed.at(at)
		}
		return placed
	}
	return invalid(at, format+" is not valid: %s. "+seeFunctions, append(args, err)...)
}
