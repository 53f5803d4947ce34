// Package filelock lets one process at a time have something.
package filelock

import "errors"

// ErrLocked says that another process has the lock. Where it is known, the text names the process.
var ErrLocked = errors.New("in use by another process")
