package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"aksid/internal/local"
)

// Exit codes. They are a contract.
const (
	exitOK       = 0
	exitFindings = 1   // findings at or above --fail-on; wins over exitUnread
	exitUsage    = 2   // what was asked for cannot be done as it was asked for
	exitUnread   = 3   // something that was needed could not be read, reached or written to
	exitInternal = 4   // a fault of aksid itself
	exitStopped  = 130 // interrupted, as shells have it
)

// errFindings says that a command worked and found something: the findings have been printed.
var errFindings = errors.New("findings")

// surprise is what ends a plan that is being carried out: something is not as it was when the plan was made.
type surprise struct{ error }

func (e surprise) Unwrap() error { return e.error }

func surprisef(format string, args ...any) error { return surprise{fmt.Errorf(format, args...)} }

// errInternal is a fault of aksid itself.
var errInternal = errors.New("internal error")

// usageError is what the user can change on the command line, or in what it names.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// unreadError is something that was needed and could not be read or reached.
type unreadError struct{ error }

func (e unreadError) Unwrap() error { return e.error }

func unreadf(format string, args ...any) error { return unreadError{fmt.Errorf(format, args...)} }

// exitStatus is an exit code of its own: that of a program that was run, which has said why, or one that shells give instead.
type exitStatus struct {
	code int
	why  error // nil: said already
}

func (e exitStatus) Error() string {
	if e.why == nil {
		return fmt.Sprintf("exit status %d", e.code)
	}
	return e.why.Error()
}

// exitCode is the one place where errors become exit codes.
func exitCode(err error) int {
	var status exitStatus
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &status):
		return status.code
	case errors.Is(err, errFindings):
		return exitFindings
	case errors.Is(err, context.Canceled):
		return exitStopped
	case errors.As(err, new(usageError)):
		return exitUsage
	case errors.As(err, new(surprise)):
		return exitFindings
	case errors.As(err, new(unreadError)), errors.Is(err, local.ErrNotRunning), isUnwritten(err):
		return exitUnread
	}
	return exitInternal
}

// isUnwritten reports whether standard output takes no more, as on a disk that is full.
func isUnwritten(err error) bool {
	path, ok := errors.AsType[*fs.PathError](err)
	return ok && path.Op == "write" && path.Path == os.Stdout.Name()
}

// report prints an error, unless it has been printed, and returns the exit code.
func (a *App) report(err error) int {
	code := exitCode(err)
	var status exitStatus
	switch {
	case err == nil, errors.Is(err, errFindings), errors.As(err, &status) && status.why == nil:
	case errors.Is(err, context.Canceled):
		a.note("interrupted")
	case code == exitInternal:
		a.note("%s; please report it, with the output of: aksid version", oneLine(err))
	default:
		a.note("%s", oneLine(err))
	}
	return code
}

// oneLine is an error's text without line breaks.
func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
