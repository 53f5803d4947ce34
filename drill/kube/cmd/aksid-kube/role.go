package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// Files of the folder.
const (
	authorityFile  = "ca.crt"
	certFile       = "apiserver.crt"
	keyFile        = "apiserver.key"
	tokenFile      = "tokens.csv"
	accountKeyFile = "serviceaccount.key"
	cloudFile      = "azure.json"
	kubeconfigFile = "controllers.kubeconfig"
	usersFile      = "entra-users.kubeconfig"
	accessFile     = "entra-access.kubeconfig"
)

// ownIssuer signs service accounts' tokens where the cluster has no OIDC issuer.
const ownIssuer = "https://kubernetes.default.svc.cluster.local"

// writeFiles writes what the API server and the controllers read. Nobody but the owner can.
func (p *plane) writeFiles() error {
	if err := os.MkdirAll(p.Folder, 0o700); err != nil {
		return err
	}
	p.token = rand.Text()
	tokens := p.token + ",aksid,aksid,system:masters\n"
	for _, t := range p.Keys.Tokens {
		tokens += t + ",masterclient,masterclient,system:masters\n"
	}
	config := map[string]any{"resourceManagerEndpoint": p.Azure}
	for k, v := range p.Cluster.Config {
		config[k] = v
	}
	cloud, err := json.Marshal(config)
	if err != nil {
		return err
	}
	account, err := p.accountKey()
	if err != nil {
		return err
	}
	var users, access string
	if e := p.Entra; e != nil {
		users, access = configOf(map[string]any{"server": e.Users}, map[string]any{}), configOf(map[string]any{"server": e.Access}, map[string]any{})
	}
	for name, body := range map[string]string{
		usersFile: users, accessFile: access,
		authorityFile: p.Keys.Authority, certFile: p.Keys.Certificate, keyFile: p.Keys.Key, tokenFile: tokens, accountKeyFile: account,
		cloudFile: string(cloud), kubeconfigFile: p.kubeconfig(),
	} {
		if err := os.WriteFile(p.file(name), []byte(body), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// accountKey is what service accounts' tokens are signed with: the cluster's OIDC issuer's, or one that stays in the folder.
func (p *plane) accountKey() (string, error) {
	if p.Keys.IssuerKey != "" {
		return p.Keys.IssuerKey, nil
	}
	old, err := os.ReadFile(p.file(accountKeyFile))
	if !errors.Is(err, fs.ErrNotExist) {
		return string(old), err
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return "", err
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})), nil
}

func (p *plane) kubeconfig() string {
	return configOf(map[string]any{"server": p.server(), "certificate-authority": p.file(authorityFile), "tls-server-name": p.Host}, map[string]any{"token": p.token})
}

// configOf is a kubeconfig of one server and one user.
func configOf(server, user map[string]any) string {
	config, _ := json.Marshal(map[string]any{ // strings and maps can be marshalled
		"apiVersion": "v1", "kind": "Config", "current-context": "c",
		"clusters": []any{map[string]any{"name": "c", "cluster": server}},
		"users":    []any{map[string]any{"name": "u", "user": user}},
		"contexts": []any{map[string]any{"name": "c", "context": map[string]any{"cluster": "c", "user": "u"}}},
	})
	return string(config)
}

// startEtcd starts etcd in this process and returns its URL: a socket in the folder, which all parts work in, as the path
// of a socket must be short.
func (p *plane) startEtcd() (string, error) {
	config := embed.NewConfig()
	config.Dir, config.LogLevel, config.Logger = p.file("etcd"), "error", "zap"
	config.LogOutputs = []string{p.log("etcd")}
	config.UnsafeNoFsync = true // what it keeps can be made again
	clients, peers := url.URL{Scheme: "unix", Host: "etcd.sock:1"}, url.URL{Scheme: "unix", Host: "peer.sock:1"}
	for _, name := range []string{clients.Host, peers.Host} { // of a run that was killed
		if err := os.Remove(p.file(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	config.ListenClientUrls, config.AdvertiseClientUrls = []url.URL{clients}, []url.URL{clients}
	config.ListenPeerUrls, config.AdvertisePeerUrls = []url.URL{peers}, []url.URL{peers}
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	e, err := embed.StartEtcd(config)
	if err != nil {
		return "", fmt.Errorf("etcd: %w", err)
	}
	p.parts = append(p.parts, part{e.Close})
	select {
	case <-e.Server.ReadyNotify():
		return clients.String(), nil
	case err := <-e.Err():
		return "", fmt.Errorf("etcd: %w", err)
	case <-time.After(startWithin):
		return "", fmt.Errorf("etcd is not ready after %s; see %s", startWithin, p.log("etcd"))
	}
}

func (p *plane) apiFlags(store string) []string {
	issuer := p.Keys.Issuer
	if issuer == "" {
		issuer = ownIssuer
	}
	flags := []string{
		"--etcd-servers=" + store, "--bind-address=" + loopback, "--advertise-address=" + loopback, "--secure-port=" + p.port,
		"--endpoint-reconciler-type=none", "--cert-dir=" + p.Folder, "--tls-cert-file=" + p.file(certFile), "--tls-private-key-file=" + p.file(keyFile),
		"--token-auth-file=" + p.file(tokenFile),
		"--service-account-issuer=" + issuer, "--api-audiences=" + issuer + "," + ownIssuer,
		"--service-account-key-file=" + p.file(accountKeyFile), "--service-account-signing-key-file=" + p.file(accountKeyFile),
		"--service-cluster-ip-range=" + p.ServiceCIDR,
	}
	return append(flags, p.accountFlags()...)
}

// accountFlags say who gets in and who decides what they may: the certificates and tokens of kubeconfigs, and users of Entra.
func (p *plane) accountFlags() []string {
	const forget = "5s" // so that a grant that is made or taken away counts soon
	var flags []string
	e, mode := p.Entra, "--authorization-mode=RBAC"
	if e == nil || !e.Only {
		flags = append(flags, "--client-ca-file="+p.file(authorityFile))
	}
	if e != nil {
		flags = append(flags, "--authentication-token-webhook-config-file="+p.file(usersFile), "--authentication-token-webhook-version=v1",
			"--authentication-token-webhook-cache-ttl="+forget)
	}
	if e != nil && e.Access != "" {
		mode += ",Webhook"
		flags = append(flags, "--authorization-webhook-config-file="+p.file(accessFile), "--authorization-webhook-version=v1",
			"--authorization-webhook-cache-authorized-ttl="+forget, "--authorization-webhook-cache-unauthorized-ttl="+forget)
	}
	return append(flags, mode)
}

// adminBinding is what AKS calls the binding of a cluster's groups of administrators.
const adminBinding = "aks-cluster-admin-binding-aad"

// bindAdmins lets the groups of administrators do everything, and no others that once were.
func (p *plane) bindAdmins(ctx context.Context, client kubernetes.Interface) error {
	bindings := client.RbacV1().ClusterRoleBindings()
	if err := bindings.Delete(ctx, adminBinding, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	if p.Entra == nil || len(p.Entra.Admins) == 0 {
		return nil
	}
	b := &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: adminBinding}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"}}
	for _, group := range p.Entra.Admins {
		b.Subjects = append(b.Subjects, rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: group})
	}
	_, err := bindings.Create(ctx, b, metav1.CreateOptions{})
	return err
}

// controllersOn are the controllers that need no kubelet: those that act in Azure, and those that make what manifests ask for.
const controllersOn = "service,route,nodeipam,cloud-node-lifecycle,persistentvolume-binder,attachdetach,namespace,serviceaccount,root-ca-cert-publisher," +
	"garbagecollector,endpoint,endpointslice,deployment,replicaset,statefulset,daemonset,job,cronjob,disruption,resourcequota"

func (p *plane) controllerFlags() []string {
	flags := []string{
		"--kubeconfig=" + p.file(kubeconfigFile), "--secure-port=0", "--leader-elect=false",
		"--cloud-provider=azure", "--cloud-config=" + p.file(cloudFile), "--feature-gates=DisableCloudProviders=false", "--cluster-name=kubernetes",
		"--controllers=" + controllersOn, "--node-monitor-period=5s", "--route-reconciliation-period=10s", "--root-ca-file=" + p.file(authorityFile),
	}
	if p.Cluster.PodCIDR == "" {
		return append(flags, "--allocate-node-cidrs=false", "--configure-cloud-routes=false")
	}
	return append(flags, "--allocate-node-cidrs=true", "--configure-cloud-routes=true", "--cluster-cidr="+p.Cluster.PodCIDR)
}

// startRole starts this program as one of its roles. The proxy of its environment answers for the metadata service alone:
// loopback, where all else is, is never asked for through a proxy.
func (p *plane) startRole(role string, flags []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(p.log(role), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, self, append([]string{role}, flags...)...)
	cmd.Env = environ(os.Environ(), strings.TrimSuffix(p.Azure, "/"))
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.Folder, log, log
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	if _, err := cmd.StdinPipe(); err != nil { // it ends with this process
		cancel()
		return err
	}
	if err := cmd.Start(); err != nil {
		cancel()
		return err
	}
	done := make(chan struct{})
	go func() {
		err := cmd.Wait()
		p.ended <- fmt.Errorf("%s has ended (%v); its last words: %s", role, err, lastLines(p.log(role)))
		close(done)
	}()
	p.parts = append(p.parts, part{func() { cancel(); <-done }})
	return nil
}

// environ is an environment without any proxy but one.
func environ(parent []string, proxy string) []string {
	var out []string
	for _, entry := range parent {
		name, _, _ := strings.Cut(entry, "=")
		if !strings.HasSuffix(strings.ToLower(name), "_proxy") {
			out = append(out, entry)
		}
	}
	return append(out, "HTTP_PROXY="+proxy)
}
