package store

import (
	"cmp"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"

	"modernc.org/sqlite"
)

// stmt names a prepared statement.
type stmt int

const (
	stmtBegin stmt = iota
	stmtBeginWrite
	stmtCommit
	stmtRollback
	stmtPin
	stmtGet
	stmtScan
	stmtFind
	stmtChanges
	stmtOld
	stmtInsert
	stmtReplace
	stmtInsertRef
	stmtDeleteRef
	stmtCount
)

// statements: a document is always selected as rev, deleted, kind, key, refs, body.
var statements = [stmtCount]string{
	stmtBegin:      "BEGIN",
	stmtBeginWrite: "BEGIN IMMEDIATE",
	stmtCommit:     "COMMIT",
	stmtRollback:   "ROLLBACK",
	stmtPin:        "SELECT rev FROM doc WHERE rev = ?",
	stmtGet:        "SELECT rev, deleted, kind, key, refs, body FROM doc WHERE deleted IN (0, 1) AND kind = ? AND key = ?",
	stmtScan: `SELECT rev, deleted, kind, key, refs, body FROM doc
		WHERE deleted = 0 AND kind = ? AND key >= ? AND key < ? ORDER BY key`,
	stmtFind: `SELECT d.rev, d.deleted, d.kind, d.key, d.refs, d.body FROM ref r CROSS JOIN doc d
		WHERE r.ref = ? AND (r.kind, r.key) > (?, ?) AND d.deleted = 0 AND d.kind = r.kind AND d.key = r.key
		ORDER BY r.kind, r.key`,
	stmtChanges:   "SELECT rev, deleted, kind, key, refs, body FROM doc WHERE rev > ? ORDER BY rev",
	stmtOld:       "SELECT rev, deleted, kind, key, refs, NULL FROM doc WHERE deleted IN (0, 1) AND kind = ? AND key = ?",
	stmtInsert:    "INSERT INTO doc (rev, deleted, refs, body, kind, key) VALUES (?, ?, ?, ?, ?, ?)",
	stmtReplace:   "UPDATE doc SET rev = ?, deleted = ?, refs = ?, body = ? WHERE rev = ?",
	stmtInsertRef: "INSERT OR IGNORE INTO ref (ref, kind, key) VALUES (?, ?, ?)",
	stmtDeleteRef: "DELETE FROM ref WHERE ref = ? AND kind = ? AND key = ?",
}

// conn is a connection with its prepared statements. It uses the driver without database/sql, which would cost a
// read more than SQLite does. One goroutine at a time.
type conn struct {
	driver.Conn
	stmts [stmtCount]driver.Stmt // prepared at first use
}

func openConn(path string) (*conn, error) {
	// A file: URI, because a plain path is cut at a question mark.
	uri := url.URL{Scheme: "file", Path: filepath.ToSlash(path)}
	if path[0] != '/' { // C:\…
		uri.Path = "/" + uri.Path
	}
	dc, err := new(sqlite.Driver).Open(uri.String() + "?_defensive=1&_dqs=0")
	if err != nil {
		return nil, storeError(err)
	}
	c := &conn{Conn: dc}
	if err := c.script("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA busy_timeout = 5000; PRAGMA temp_store = MEMORY"); err != nil {
		return nil, cmp.Or(err, c.close())
	}
	return c, nil
}

// script runs statements that are not kept.
func (c *conn) script(sql string) error {
	_, err := c.Conn.(driver.ExecerContext).ExecContext(context.Background(), sql, nil)
	return storeError(err)
}

// value runs a query whose answer is one value.
func value[T int64 | string](c *conn, sql string) (v T, err error) {
	rows, err := c.Conn.(driver.QueryerContext).QueryContext(context.Background(), sql, nil)
	if err != nil {
		return v, storeError(err)
	}
	defer rows.Close()
	row := make([]driver.Value, 1)
	if err := rows.Next(row); err != nil {
		return v, storeError(err)
	}
	v, ok := row[0].(T)
	if !ok {
		return v, fmt.Errorf("%w: %s is %T", ErrCorrupt, sql, row[0])
	}
	return v, nil
}

// checkpoint moves the log into the file, as far as no reader needs what is there. Where all of it was moved, the next write
// begins the log anew.
func (c *conn) checkpoint() (whole bool, err error) {
	rows, err := c.Conn.(driver.QueryerContext).QueryContext(context.Background(), "PRAGMA wal_checkpoint(PASSIVE)", nil)
	if err != nil {
		return false, storeError(err)
	}
	defer rows.Close()
	row := make([]driver.Value, 3) // busy, pages in the log, pages moved (https://sqlite.org/pragma.html#pragma_wal_checkpoint)
	if err := rows.Next(row); err != nil {
		return false, storeError(err)
	}
	return row[1] == row[2], nil
}

func (c *conn) prepared(id stmt) (driver.Stmt, error) {
	if c.stmts[id] == nil {
		st, err := c.Prepare(statements[id])
		if err != nil {
			return nil, storeError(err)
		}
		c.stmts[id] = st
	}
	return c.stmts[id], nil
}

func (c *conn) exec(id stmt, args ...any) error {
	st, err := c.prepared(id)
	if err != nil {
		return err
	}
	_, err = st.(driver.StmtExecContext).ExecContext(context.Background(), named(args))
	return storeError(err)
}

// query yields to each row until it answers false; the statement is free again when query returns.
func (c *conn) query(each func(row []driver.Value) bool, id stmt, args ...any) error {
	st, err := c.prepared(id)
	if err != nil {
		return err
	}
	rows, err := st.(driver.StmtQueryContext).QueryContext(context.Background(), named(args))
	if err != nil {
		return storeError(err)
	}
	row := make([]driver.Value, 6)
	for err == nil {
		if err = rows.Next(row); err == nil && !each(row) {
			break
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return storeError(cmp.Or(err, rows.Close()))
}

func named(args []any) []driver.NamedValue {
	values := make([]driver.NamedValue, len(args))
	for i, a := range args {
		values[i] = driver.NamedValue{Ordinal: i + 1, Value: a}
	}
	return values
}

func (c *conn) close() error {
	var errs []error
	for _, st := range c.stmts {
		if st != nil {
			errs = append(errs, st.Close())
		}
	}
	return storeError(cmp.Or(append(errs, c.Conn.Close())...))
}
