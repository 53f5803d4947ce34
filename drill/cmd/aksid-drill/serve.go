package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"sync"

	"aksid/drill/controllers"
	"aksid/internal/drill/act"
)

// server answers requests: those of one cluster in their order, those of different clusters side by side.
type server struct {
	azure *controllers.Azure
	mu    sync.Mutex // of out
	out   *json.Encoder
	work  sync.WaitGroup
	lanes map[string]chan act.Request // of the clusters that are open
}

// serve answers requests until there are no more. Who ends without closing its clusters was killed: nothing more is done for it.
func serve(az *controllers.Azure, in io.Reader, out io.Writer) error {
	s := &server{azure: az, out: json.NewEncoder(out), lanes: map[string]chan act.Request{}}
	if err := s.out.Encode(act.Hello{Version: act.Version, Kubernetes: controllers.Kubernetes()}); err != nil {
		return err
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 64<<10), act.MaxLine)
	for lines.Scan() {
		var r act.Request
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return fmt.Errorf("a request is not understood: %w", err)
		}
		s.take(r)
	}
	if len(s.lanes) == 0 {
		s.work.Wait()
	}
	return lines.Err()
}

// take puts a request into its cluster's lane.
func (s *server) take(r act.Request) {
	if r.Open != nil {
		r.Cluster = r.Open.ID
	}
	lane, open := s.lanes[r.Cluster]
	switch {
	case open == (r.Open != nil):
		s.answer(act.Answer{ID: r.ID, Error: fmt.Sprintf("cluster %q is open already, or not at all", r.Cluster)})
	case !open:
		lane = make(chan act.Request, 64)
		s.lanes[r.Cluster] = lane
		s.work.Go(func() { s.run(r, lane) })
	default:
		lane <- r
		if r.Close {
			close(lane)
			delete(s.lanes, r.Cluster)
		}
	}
}

// run is the lane of one cluster.
func (s *server) run(opening act.Request, lane <-chan act.Request) {
	c, err := open(s.azure, *opening.Open)
	s.answer(answerOf(opening, nil, err))
	for r := range lane {
		var done *act.Done
		if c != nil && r.Do != nil {
			done, err = do(c, *r.Do)
		}
		s.answer(answerOf(r, done, err))
	}
	if c != nil {
		c.Close()
	}
}

// open and do take a panic of upstream code for an error of the request.
func open(az *controllers.Azure, spec act.Cluster) (c *controllers.Cluster, err error) {
	defer recovered(&err)
	return az.Open(spec)
}

func do(c *controllers.Cluster, step act.Step) (done *act.Done, err error) {
	defer recovered(&err)
	return c.Do(step)
}

func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("the code of Kubernetes panicked: %v", p)
	}
}

func answerOf(r act.Request, done *act.Done, err error) act.Answer {
	a := act.Answer{ID: r.ID, Done: done}
	if err != nil {
		a.Error = err.Error()
	}
	return a
}

func (s *server) answer(a act.Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.out.Encode(a) // who does not listen any more will not ask either
}
