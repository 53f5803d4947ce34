package drill

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"aksid/internal/drill/act"
)

// Program is a running controllers' program. Any number of goroutines may ask it.
type Program struct {
	Hello act.Hello
	cmd   *exec.Cmd
	in    io.WriteCloser
	said  *tail // on standard error
	mu    sync.Mutex
	next  int
	wait  map[int]chan act.Answer // nil once the program has ended
	ended chan struct{}           // closed when it has ended and what it said last is there
	fate  error                   // how it ended, from then on
}

// Start runs the controllers' program on a local Azure's data folder. It keeps the files open for as long as it runs.
func Start(ctx context.Context, path, data string, keeps ...*os.File) (*Program, error) {
	p := &Program{cmd: exec.CommandContext(ctx, path, "--data", data), said: &tail{}, wait: map[int]chan act.Answer{}, ended: make(chan struct{})}
	p.cmd.Stderr, p.cmd.ExtraFiles = p.said, keeps
	p.cmd.WaitDelay = time.Second
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(out)
	lines.Buffer(make([]byte, 64<<10), act.MaxLine)
	err = p.greet(lines)
	go p.listen(lines)
	if err != nil {
		err = errors.Join(err, p.Close())
		if ctx.Err() != nil { // it was ended before it said anything
			err = ctx.Err()
		}
		return nil, err
	}
	return p, nil
}

func (p *Program) greet(lines *bufio.Scanner) error {
	if !lines.Scan() || json.Unmarshal(lines.Bytes(), &p.Hello) != nil {
		return fmt.Errorf("%s does not answer as %s does", p.cmd.Path, act.Program)
	}
	if p.Hello.Version != act.Version {
		return fmt.Errorf("%s is of another version (%d) than this aksid (%d)", p.cmd.Path, p.Hello.Version, act.Version)
	}
	return nil
}

// listen hands answers to those who wait for them, until the program ends.
func (p *Program) listen(lines *bufio.Scanner) {
	for lines.Scan() {
		var a act.Answer
		if json.Unmarshal(lines.Bytes(), &a) != nil {
			continue
		}
		p.mu.Lock()
		if w := p.wait[a.ID]; w != nil {
			delete(p.wait, a.ID)
			w <- a
		}
		p.mu.Unlock()
	}
	p.mu.Lock()
	p.wait = nil
	p.mu.Unlock()
	p.fate = p.cmd.Wait()
	close(p.ended)
}

// ask sends a request and waits for its answer.
func (p *Program) ask(ctx context.Context, r act.Request) (act.Answer, error) {
	answer := make(chan act.Answer, 1)
	if sent, err := p.send(r, answer); err != nil {
		return act.Answer{}, err
	} else if !sent {
		return act.Answer{}, p.crash()
	}
	select {
	case a := <-answer:
		if a.Error != "" {
			return a, errors.New(a.Error)
		}
		return a, nil
	case <-ctx.Done():
		return act.Answer{}, ctx.Err()
	case <-p.ended:
		return act.Answer{}, p.crash()
	}
}

// send is false where the program takes no more requests: it ends.
func (p *Program) send(r act.Request, answer chan act.Answer) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wait == nil {
		return false, nil
	}
	p.next++
	r.ID = p.next
	line, err := json.Marshal(r)
	if err != nil {
		return false, err
	}
	p.wait[r.ID] = answer
	_, err = p.in.Write(append(line, '\n'))
	return err == nil, nil
}

func (p *Program) crash() error {
	<-p.ended
	return fmt.Errorf("%s has ended; its last words: %s", act.Program, p.said)
}

// Open, Do and Close are a cluster's requests.
func (p *Program) Open(ctx context.Context, c act.Cluster) error {
	_, err := p.ask(ctx, act.Request{Open: &c})
	return err
}

// Do carries out a step of a cluster that is open.
func (p *Program) Do(ctx context.Context, cluster string, s act.Step) (*act.Done, error) {
	a, err := p.ask(ctx, act.Request{Cluster: cluster, Do: &s})
	if err == nil && a.Done == nil {
		err = fmt.Errorf("%s did not say what came of %s", act.Program, s.Kind)
	}
	return a.Done, err
}

// CloseCluster stops a cluster's control plane.
func (p *Program) CloseCluster(ctx context.Context, cluster string) error {
	_, err := p.ask(ctx, act.Request{Cluster: cluster, Close: true})
	return err
}

// Close ends the program.
func (p *Program) Close() error {
	p.in.Close()
	select {
	case <-p.ended:
	case <-time.After(5 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
	return p.fate
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(b []byte) (int, error) {
	const most = 4 << 10
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	t.text = t.text[max(0, len(t.text)-most):]
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.text))
}
