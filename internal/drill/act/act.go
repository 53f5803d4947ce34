// Package act is what aksid and its controllers' program say to each other: one JSON value a line, requests on the
// program's standard input, answers on its standard output. The program is a module of its own (drill), so that
// Kubernetes' dependencies stay out of aksid; both import this package, and meet otherwise over the local Azure alone.
//
// Requests of one cluster are carried out in their order, those of different clusters side by side.
package act

import (
	"encoding/json"
	"strings"
	"time"
)

// Version changes whenever an older program would misunderstand a request.
const Version = 2

// Program is the name of the controllers' program.
const Program = "aksid-drill"

// MaxLine bounds a line, in bytes.
const MaxLine = 8 << 20

// Hello is the program's first line.
type Hello struct {
	Version    int    `json:"version"`
	Kubernetes string `json:"kubernetes"` // version of the controllers
}

// Request asks for one thing: Open, or Do or Close of a cluster that is open.
type Request struct {
	ID      int      `json:"id"` // of the Answer
	Open    *Cluster `json:"open,omitempty"`
	Cluster string   `json:"cluster,omitempty"` // Cluster.ID
	Do      *Step    `json:"do,omitempty"`
	Close   bool     `json:"close,omitempty"`
}

// Answer says what came of a request.
type Answer struct {
	ID    int    `json:"id"`
	Error string `json:"error,omitempty"` // the request could not be carried out
	Done  *Done  `json:"done,omitempty"`  // of Do
}

// Cluster is a control plane to run.
type Cluster struct {
	ID        string            `json:"id"`                  // of the managed cluster
	Config    map[string]any    `json:"config"`              // azure.json, without endpoints
	Machine   string            `json:"machine"`             // whose metadata service the control plane asks
	Kubelet   *Kubelet          `json:"kubelet,omitempty"`   // none: it pulls as the control plane
	Nodes     []Node            `json:"nodes"`               // machines that there are
	PodCIDR   string            `json:"podCIDR,omitempty"`   // with it, nodes get routes
	Elsewhere map[string]string `json:"elsewhere,omitempty"` // prefixes of ids in the cluster's subscription → where they really lie
}

// Place is where a path really leads.
func (c *Cluster) Place(path string) string {
	for from, to := range c.Elsewhere {
		if len(path) >= len(from) && strings.EqualFold(path[:len(from)], from) {
			return to + path[len(from):]
		}
	}
	return path
}

// Kubelet is who pulls images.
type Kubelet struct {
	Machine string         `json:"machine"` // a node, whose metadata service it asks
	Config  map[string]any `json:"config"`
}

// Node is a machine that is a node.
type Node struct {
	Name    string `json:"name"`
	ID      string `json:"id"` // of the scale set's instance
	IP      string `json:"ip"`
	PodCIDR string `json:"podCIDR,omitempty"`
}

// Kind is what a Step does.
type Kind string

// The kinds of steps.
const (
	CreateService Kind = "create-service"
	DeleteService Kind = "delete-service"
	JoinNodes     Kind = "join-nodes"  // with routes
	LeaveNode     Kind = "leave-node"  // a node whose machine is gone
	DropRoutes    Kind = "drop-routes" // of nodes that are gone
	CreateDisk    Kind = "create-disk"
	AttachDisk    Kind = "attach-disk"
	DetachDisk    Kind = "detach-disk"
	DeleteDisk    Kind = "delete-disk"
	PullImage     Kind = "pull-image"
)

// Step is one thing that Kubernetes does.
type Step struct {
	Kind              Kind          `json:"kind"`
	Name              string        `json:"name,omitempty"`     // of the service or disk
	Internal          bool          `json:"internal,omitempty"` // of a service
	IP                string        `json:"ip,omitempty"`       // the address that a service asks for
	Group             string        `json:"group,omitempty"`    // the resource group of that address, or of the disk
	Subnet            string        `json:"subnet,omitempty"`   // name of the one that an internal service is to stand in
	Disk              string        `json:"disk,omitempty"`     // id of the disk
	DiskEncryptionSet string        `json:"diskEncryptionSet,omitempty"`
	Node              string        `json:"node,omitempty"`    // name of the node
	Image             string        `json:"image,omitempty"`   // as in registry.azurecr.io/name:tag
	Within            time.Duration `json:"within"`            // how long the controllers may take
	Persist           bool          `json:"persist,omitempty"` // go on after a failure that is not for want of a right, as controllers do
}

// Done is what happened.
type Done struct {
	Error   string        `json:"error,omitempty"`  // as the operator reads it; "": the controllers say that it worked
	Result  string        `json:"result,omitempty"` // a service's address, a disk's id
	Events  []Event       `json:"events,omitempty"`
	Refused []Refusal     `json:"refused,omitempty"`
	Calls   int           `json:"calls"` // requests to Azure
	Took    time.Duration `json:"took"`
}

// Event is a Kubernetes event, as kubectl describe shows it.
type Event struct {
	Type    string `json:"type"` // Normal or Warning
	Reason  string `json:"reason"`
	Message string `json:"message"`
	Object  string `json:"object"` // as in Service/drill-external
	Source  string `json:"source"`
}

// Refusal is an answer of Azure that is an error, in the order in which they came; 404 is none.
type Refusal struct {
	Method string          `json:"method"`
	Path   string          `json:"path"`
	Status int             `json:"status"`
	Body   json.RawMessage `json:"body,omitempty"` // where it is JSON
}
