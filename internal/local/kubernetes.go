package local

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"aksid/internal/azure"
)

// APIServer is what an API server of a cluster needs so that the kubeconfigs that AKS hands out open it. All but the
// names and the tokens is PEM.
type APIServer struct {
	Host        string   `json:"host"`
	Authority   string   `json:"authority"`
	Certificate string   `json:"certificate"`
	Key         string   `json:"key"`
	Tokens      []string `json:"tokens"` // of administrators
	Issuer      string   `json:"issuer"` // OIDC issuer's URL, "" where the cluster has none
	IssuerKey   string   `json:"issuerKey"`
}

// OpenAPIServer asks for what an API server of a cluster needs.
func (a *Azure) OpenAPIServer(ctx context.Context, cluster azure.ID) (APIServer, error) {
	var s APIServer
	return s, a.admin(ctx, http.MethodPost, "/apiserver", map[string]any{"cluster": cluster}, &s)
}

// KubernetesUser is who a token says to an API server that somebody is.
type KubernetesUser struct {
	Name   string              `json:"name"`
	ID     azure.PrincipalID   `json:"id"`
	Groups []azure.PrincipalID `json:"groups"`
}

// KubernetesUser reads a token of Entra that is for API servers of AKS. The error says what is wrong with it.
func (a *Azure) KubernetesUser(ctx context.Context, token string) (KubernetesUser, error) {
	var u KubernetesUser
	return u, a.admin(ctx, http.MethodPost, "/kubernetes/user", map[string]string{"token": token}, &u)
}

// KubernetesAccess is what Azure RBAC says of something that is to be done in a cluster.
type KubernetesAccess struct {
	Allowed    bool       `json:"allowed"`
	Assignment azure.ID   `json:"assignment"` // that allows it
	Role       azure.GUID `json:"role"`
}

// KubernetesAccess asks whether somebody may perform a data action on a cluster or on a namespace of it.
func (a *Azure) KubernetesAccess(ctx context.Context, who azure.PrincipalID, action azure.Action, scope azure.ID) (KubernetesAccess, error) {
	var d KubernetesAccess
	return d, a.admin(ctx, http.MethodPost, "/kubernetes/access", map[string]any{"principal": who, "action": action, "scope": scope}, &d)
}

// MakeNodes makes the machines of a cluster that was imported without any, with what they need in the node resource group.
func (a *Azure) MakeNodes(ctx context.Context, cluster azure.ID) error {
	return a.admin(ctx, http.MethodPost, "/nodes", map[string]any{"cluster": cluster}, nil)
}

// ControlPlane is a running control plane of a cluster, as the data folder has it for those who look for its API server.
type ControlPlane struct {
	Cluster azure.ID `json:"cluster"`
	Host    string   `json:"host"` // of its API server
	Addr    string   `json:"addr"` // where that listens on loopback
	PID     int      `json:"pid"`
}

// ServerSuffix ends the host names of clusters' API servers.
const ServerSuffix = ".azmk8s.io"

// planesFolder holds one file a running control plane, named after its host, and one folder a cluster that has or had one.
const planesFolder = "kubernetes"

var hostText = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`)

// PlaneFolder is where a cluster's control plane keeps what it holds. It is another one for another cluster of the same name.
func (a *Azure) PlaneFolder(s APIServer) string {
	sum := sha256.Sum256([]byte(s.Authority))
	return filepath.Join(a.Dir, planesFolder, hex.EncodeToString(sum[:8]))
}

func planeFile(dir, host string) (string, error) {
	host = strings.ToLower(host)
	if !hostText.MatchString(host) {
		return "", fmt.Errorf("%q is not the name of an API server", host)
	}
	return filepath.Join(dir, planesFolder, host+".json"), nil
}

// PublishPlane writes that a control plane runs, in one step.
func PublishPlane(dir string, p ControlPlane) error {
	path, err := planeFile(dir, p.Host)
	if err != nil {
		return err
	}
	body, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return Replace(path, append(body, '\n'))
}

// WithdrawPlane removes what PublishPlane wrote, unless another process has written it since.
func WithdrawPlane(dir string, p ControlPlane) error {
	path, err := planeFile(dir, p.Host)
	if err != nil {
		return err
	}
	var is ControlPlane
	if err := readJSON(path, &is); err != nil || is.PID != p.PID {
		return nil
	}
	return os.Remove(path)
}

// Plane is the control plane that was published for an API server's name; false where none was.
func (a *Azure) Plane(host string) (ControlPlane, bool) {
	var p ControlPlane
	path, err := planeFile(a.Dir, host)
	if err != nil || readJSON(path, &p) != nil {
		return p, false
	}
	addr, err := net.ResolveTCPAddr("tcp", p.Addr)
	return p, err == nil && addr.IP.IsLoopback()
}

// Answers reports whether the API server can be reached.
func (p ControlPlane) Answers() bool {
	conn, err := net.DialTimeout("tcp", p.Addr, answerWithin)
	if err != nil {
		return false
	}
	return conn.Close() == nil
}
