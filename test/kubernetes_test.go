package test

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"aksid/internal/drill/act"
)

// TestKubernetes uses a cluster with the kubectl and the kubeconfig that people have: services get addresses, what Azure
// refuses is an event, and a grant heals it when the controller tries again. A token of the API server is good at Entra.
func TestKubernetes(t *testing.T) {
	needKubernetes(t)
	c := newAz(t)
	c.group(t, "rg-kube")
	c.ok(t, "network", "vnet", "create", "--resource-group", "rg-kube", "--name", "vnet", "--subnet-name", "nodes")
	subnet := c.ok(t, "network", "vnet", "subnet", "show", "--resource-group", "rg-kube", "--vnet-name", "vnet", "--name", "nodes", "--query", "id", "--output", "tsv")
	control, pod := c.identity(t, "rg-kube", "id-kube"), c.identity(t, "rg-kube", "id-pod")
	c.ok(t, "aks", "create", "--resource-group", "rg-kube", "--name", "kube", "--assign-identity", control.ID, "--vnet-subnet-id", subnet,
		"--network-plugin", "azure", "--node-count", "2", "--enable-oidc-issuer", "--no-ssh-key", "--skip-subnet-role-assignment", "--yes")
	c.controlPlane(t, "kube")
	k := kubectl{azCloud: c, config: filepath.Join(t.TempDir(), "kubeconfig")}
	c.ok(t, "aks", "get-credentials", "--resource-group", "rg-kube", "--name", "kube", "--file", k.config)

	if nodes := strings.Fields(k.ok(t, "get", "nodes", "-o", "name")); len(nodes) != 2 {
		t.Errorf("nodes: %v", nodes)
	}
	k.ok(t, "create", "service", "loadbalancer", "web", "--tcp", "80")
	if address := k.await(t, "get", "service", "web", "-o", "jsonpath={.status.loadBalancer.ingress[0].ip}"); !strings.HasPrefix(address, "198.18.") {
		t.Errorf("the service's address is %s", address)
	}
	k.ok(t, "create", "service", "clusterip", "inside", "--tcp", "80")
	k.ok(t, "annotate", "service", "inside", "service.beta.kubernetes.io/azure-load-balancer-internal=true")
	k.ok(t, "patch", "service", "inside", "-p", `{"spec": {"type": "LoadBalancer"}}`)
	refused := k.await(t, "get", "events", "--field-selector", "reason=SyncLoadBalancerFailed,involvedObject.name=inside", "-o", "jsonpath={.items[0].message}")
	if !strings.Contains(refused, "AuthorizationFailed") || !strings.Contains(refused, control.PrincipalID) || !strings.Contains(refused, subnet) {
		t.Errorf("the event says %s", refused)
	}
	c.ok(t, "role", "assignment", "create", "--assignee-object-id", control.PrincipalID, "--assignee-principal-type", "ServicePrincipal", "--role", "Network Contributor", "--scope", subnet)
	if address := k.await(t, "get", "service", "inside", "-o", "jsonpath={.status.loadBalancer.ingress[0].ip}"); !strings.HasPrefix(address, "10.0.0.") {
		t.Errorf("the internal service's address is %s", address)
	}
	k.ok(t, "delete", "service", "web", "inside")
	c.exchange(t, k, pod)
}

// TestKubernetesEntra opens a cluster without local accounts with tokens of Entra: Azure RBAC decides what they may, by namespace.
func TestKubernetesEntra(t *testing.T) {
	needKubernetes(t)
	c := newAz(t)
	c.group(t, "rg-entra")
	c.ok(t, "aks", "create", "--resource-group", "rg-entra", "--name", "entra", "--node-count", "1", "--no-ssh-key", "--enable-aad", "--enable-azure-rbac", "--disable-local-accounts")
	c.controlPlane(t, "entra")
	k := kubectl{azCloud: c, config: filepath.Join(t.TempDir(), "kubeconfig")}
	c.ok(t, "aks", "get-credentials", "--resource-group", "rg-entra", "--name", "entra", "--file", k.config)
	token := c.ok(t, "account", "get-access-token", "--resource", "6dae42f8-4368-4678-94ff-3960e28e3630", "--query", "accessToken", "--output", "tsv")
	k.token = token
	refused := func(want string, args ...string) {
		t.Helper()
		if r := k.exec(t, "", k.line(args)...); r.code == 0 || !strings.Contains(r.stderr, want) {
			t.Errorf("kubectl %v: exit code %d, %s", args, r.code, r.stderr)
		}
	}
	const noAccess = "User does not have access to the resource in Azure. Update role assignment to allow access."
	refused(noAccess, "get", "configmaps")
	k.token = "x" + token
	refused("Unauthorized", "get", "configmaps")
	k.token = token

	var cluster struct{ ID string }
	c.json(t, &cluster, "aks", "show", "--resource-group", "rg-entra", "--name", "entra")
	who := strings.TrimSpace(k.ok(t, "auth", "whoami", "-o", "jsonpath={.status.userInfo.extra.oid[0]}"))
	body, err := json.Marshal(map[string]any{"properties": map[string]any{"principalId": who, "principalType": "ServicePrincipal",
		"roleDefinitionId": "/providers/Microsoft.Authorization/roleDefinitions/a7ffa36f-339b-4b5c-8bdf-e2c188b2c0eb"}}) // Azure Kubernetes Service RBAC Writer
	if err != nil {
		t.Fatal(err)
	}
	c.ok(t, "rest", "--method", "put", "--resource", "https://management.azure.com/", "--body", string(body),
		"--url", "https://management.azure.com"+cluster.ID+"/namespaces/default/providers/Microsoft.Authorization/roleAssignments/7a0ed4d2-9d5c-4b0e-8f3a-0c6c2f7d5a11?api-version=2022-04-01")
	k.await(t, "create", "configmap", "mine", "--from-literal", "a=b")
	refused(noAccess, "create", "configmap", "theirs", "--from-literal", "a=b", "--namespace", "kube-system")
}

// exchange takes a service account's token from the API server to Entra.
func (c *azCloud) exchange(t *testing.T, k kubectl, pod managedIdentity) {
	t.Helper()
	var cluster struct{ OidcIssuerProfile struct{ IssuerURL string } }
	c.json(t, &cluster, "aks", "show", "--resource-group", "rg-kube", "--name", "kube")
	body, err := json.Marshal(map[string]any{"properties": map[string]any{"issuer": cluster.OidcIssuerProfile.IssuerURL,
		"subject": "system:serviceaccount:default:default", "audiences": []string{"api://AzureADTokenExchange"}}})
	if err != nil {
		t.Fatal(err)
	}
	c.ok(t, "rest", "--method", "put", "--resource", "https://management.azure.com/", "--body", string(body),
		"--url", "https://management.azure.com"+pod.ID+"/federatedIdentityCredentials/pod?api-version=2023-01-31")
	tenant := c.ok(t, "account", "show", "--query", "tenantId", "--output", "tsv")
	token := k.ok(t, "create", "token", "default", "--audience", "api://AzureADTokenExchange")
	c.ok(t, "login", "--service-principal", "--username", pod.ClientID, "--tenant", tenant, "--federated-token", token, "--allow-no-subscriptions")
}

// controlPlane runs aksid kubernetes until the test ends.
func (c *cloud) controlPlane(t *testing.T, cluster string) {
	t.Helper()
	cmd := exec.Command(aksid, "kubernetes", cluster)
	cmd.Env, cmd.Stderr = c.env, os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.Contains(line, "ready on 127.0.0.1:") {
		t.Fatalf("aksid kubernetes said %q, %v", line, err)
	}
	go io.Copy(io.Discard, out)
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("aksid kubernetes ended with %v", err)
		}
	})
}

// needKubernetes skips a test where the control plane's program or kubectl is missing.
func needKubernetes(t *testing.T) {
	t.Helper()
	for program, how := range map[string]string{act.PlaneProgram: "build it with: go build -C drill/kube -o DIR ./cmd/" + act.PlaneProgram, "kubectl": "install kubernetes-client"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not on PATH; %s", program, how)
		}
	}
}

// kubectl is the real one, with a kubeconfig.
type kubectl struct {
	*azCloud
	config string
	token  string // "": the kubeconfig's
}

func (k kubectl) line(args []string) []string {
	line := []string{"kubectl", "--kubeconfig", k.config}
	if k.token != "" {
		line = append(line, "--token", k.token)
	}
	return append(line, args...)
}

func (k kubectl) ok(t *testing.T, args ...string) string {
	t.Helper()
	r := k.exec(t, "", k.line(args)...)
	if r.code != 0 {
		t.Fatalf("kubectl %s: exit code %d\n%s", strings.Join(args, " "), r.code, r.stderr)
	}
	return strings.TrimSpace(r.stdout)
}

// await asks until there is an answer. Controllers try again after 5, 10, 20 … seconds.
func (k kubectl) await(t *testing.T, args ...string) string {
	t.Helper()
	for until := time.Now().Add(patience); time.Now().Before(until); time.Sleep(500 * time.Millisecond) {
		r := k.exec(t, "", k.line(args)...)
		if answer := strings.TrimSpace(r.stdout); r.code == 0 && answer != "" {
			return answer
		}
	}
	t.Fatalf("kubectl %s: no answer within %s", strings.Join(args, " "), patience)
	return ""
}
