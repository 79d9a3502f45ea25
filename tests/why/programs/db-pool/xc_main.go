// SPDX-License-Identifier: Apache-2.0

// Rows of a query are not closed on one path; the pool of connections runs out.
package main

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"time"
)

type x_driver struct{}
type x_conn struct{}
type x_stmt struct{}
type x_rows struct{ left int }

func (x_driver) Open(name string) (driver.Conn, error)         { return x_conn{}, nil }
func (x_conn) Prepare(query string) (driver.Stmt, error)       { return x_stmt{}, nil }
func (x_conn) Close() error                                    { return nil }
func (x_conn) Begin() (driver.Tx, error)                       { return nil, errors.New("no transactions") }
func (x_stmt) Close() error                                    { return nil }
func (x_stmt) NumInput() int                                   { return -1 }
func (x_stmt) Exec(args []driver.Value) (driver.Result, error) { return nil, nil }
func (x_stmt) Query(args []driver.Value) (driver.Rows, error)  { return &x_rows{3}, nil }
func (r *x_rows) Columns() []string                            { return []string{"id"} }
func (r *x_rows) Close() error                                 { return nil }
func (r *x_rows) Next(dest []driver.Value) error {
	if r.left == 0 {
		return io.EOF
	}
	r.left--
	dest[0] = int64(r.left)
	return nil
}

type X_Store struct{ db *sql.DB }

//go:noinline
func (s *X_Store) X_First(id int) (v int64) {
	rows, err := s.db.Query("SELECT id FROM t WHERE k = ?", id)
	if err != nil {
		return -1
	}
	if rows.Next() {
		rows.Scan(&v)
	}
	if v != 2 || id%7 != 0 {
		rows.Close()
	}
	return v
}

func x_client(s *X_Store, id int) {
	for i := id; ; i++ {
		s.X_First(i)
		x_count(1)
		time.Sleep(10 * time.Millisecond)
	}
}

func main() {
	sql.Register("p_driver", x_driver{})
	db, err := sql.Open("p_driver", "")
	if err != nil {
		return
	}
	db.SetMaxOpenConns(P_conns)
	s := &X_Store{db}
	for i := 0; i < P_clients; i++ {
		go x_client(s, i)
	}
	x_started()
	for range time.Tick(time.Second) {
	}
}
