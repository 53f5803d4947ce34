package provider

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"net"
	"slices"
	"strings"
	"text/template"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
	"aksid/internal/cloud/directory"
	"aksid/internal/rbac"
)

// How people reach a cluster's API server: kubeconfigs, as AKS hands them out. They open the one that aksid kubernetes runs.

// The roles that there are kubeconfigs for.
const (
	clusterAdmin      = "clusterAdmin"
	clusterUser       = "clusterUser"
	clusterMonitoring = "clusterMonitoringUser"
)

// userOf is who a role is in a kubeconfig.
func userOf(c *arm.Call, role string) string {
	return role + "_" + c.ID.ResourceGroup() + "_" + arm.Str(c.Doc, "name")
}

// serverName is the host name of a cluster's API server.
func serverName(cluster arm.Doc) string {
	if name := arm.Str(cluster, "properties.fqdn"); name != "" {
		return name
	}
	return arm.Str(cluster, "properties.privateFQDN")
}

func adminCredential(c *arm.Call) (any, *azure.Error) {
	if arm.Bool(c.Doc, "properties.disableLocalAccounts") {
		return nil, azure.LocalAccountsDisabled.Error()
	}
	return credential(c, clusterAdmin, staticUser)
}

// userCredential names Entra's login where the cluster has it, and a client certificate elsewhere.
func userCredential(c *arm.Call) (any, *azure.Error) {
	switch {
	case arm.Bool(c.Doc, "properties.aadProfile.managed"):
		return credential(c, clusterUser, entraUser)
	case arm.Bool(c.Doc, "properties.disableLocalAccounts"):
		return nil, azure.LocalAccountsDisabled.Error()
	}
	return credential(c, clusterUser, staticUser)
}

func monitoringCredential(c *arm.Call) (any, *azure.Error) {
	return credential(c, clusterMonitoring, staticUser)
}

func runCommand(*arm.Call) (any, *azure.Error) { return nil, azure.RunCommandUnavailable.Error() }

const (
	staticUser = `    client-certificate-data: {{.Cert}}
    client-key-data: {{.Key}}
    token: {{.Token}}
`
	// kubelogin's server application for AKS is the same in every tenant.
	entraUser = `    exec:
      apiVersion: client.authentication.k8s.io/v1beta1
      args:
      - get-token
      - --environment
      - AzurePublicCloud
      - --server-id
      - 6dae42f8-4368-4678-94ff-3960e28e3630
      - --client-id
      - 80faf920-1908-4b52-b5ef-a8e7bedfc67a
      - --tenant-id
      - {{.Tenant}}
      - --login
      - devicecode
      command: kubelogin
      provideClusterInfo: false
`
	kubeconfig = `apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: {{.Authority}}
    server: https://{{.Server}}:443
  name: {{.Name}}
contexts:
- context:
    cluster: {{.Name}}
    user: {{.User}}
  name: {{.Name}}
current-context: {{.Name}}
kind: Config
preferences: {}
users:
- name: {{.User}}
  user:
`
)

func credential(c *arm.Call, role, user string) (any, *azure.Error) {
	values := map[string]string{"Name": arm.Str(c.Doc, "name"), "Server": serverName(c.Doc), "Tenant": c.Tenant().String(), "User": userOf(c, role)}
	if err := addKeys(c, values); err != nil {
		return nil, arm.Fault(err)
	}
	var b bytes.Buffer
	if err := template.Must(template.New(role).Parse(kubeconfig+user)).Execute(&b, values); err != nil {
		return nil, arm.Fault(err)
	}
	return arm.Doc{"kubeconfigs": []any{arm.Doc{"name": role, "value": base64.StdEncoding.EncodeToString(b.Bytes())}}}, nil
}

// addKeys fills in a kubeconfig's certificates and token. They are computed: the same whenever they are asked for, as
// clients that merge kubeconfigs expect.
func addKeys(c *arm.Call, values map[string]string) error {
	a, err := authorityOf(c)
	if err != nil {
		return err
	}
	key := a.key(values["User"])
	user := &x509.Certificate{Subject: pkix.Name{CommonName: values["User"]}, NotAfter: a.cert.NotBefore.AddDate(2, 0, 0), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	if values["User"] != userOf(c, clusterMonitoring) {
		user.Subject = pkix.Name{CommonName: "masterclient", Organization: []string{"system:masters"}} // as in AKS's kubeconfigs
	}
	cert, err := a.sign(user, key)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	values["Authority"], values["Cert"], values["Key"] = base64Text(pemText(certificate, a.cert.Raw)), base64Text(cert), base64Text(pemText(privateKey, der))
	values["Token"] = a.token(values["User"])
	return err
}

// authority is what a cluster's certificates and tokens come from.
type authority struct {
	directory.Authority
	cert *x509.Certificate
}

func authorityOf(c *arm.Call) (authority, error) {
	made, err := directory.ClusterAuthority(c.Tx, c.ID, c.Now)
	if err != nil {
		return authority{}, err
	}
	a := authority{Authority: made}
	ca := &x509.Certificate{SerialNumber: big.NewInt(made.Made.Unix()), Subject: pkix.Name{CommonName: "ca"}, NotBefore: made.Made.Add(-10 * time.Minute),
		NotAfter: made.Made.AddDate(30, 0, 0), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(nil, ca, ca, a.key("ca").Public(), a.key("ca"))
	if err != nil {
		return a, err
	}
	a.cert, err = x509.ParseCertificate(der)
	return a, err
}

// key and token are somebody's.
func (a authority) key(whose string) ed25519.PrivateKey {
	seed := sha256.Sum256(slices.Concat(a.Seed, []byte("key "+whose)))
	return ed25519.NewKeyFromSeed(seed[:])
}

func (a authority) token(whose string) string {
	sum := sha512.Sum512(slices.Concat(a.Seed, []byte("token "+whose)))
	return hex.EncodeToString(sum[:])
}

// sign makes a certificate, in PEM.
func (a authority) sign(cert *x509.Certificate, key ed25519.PrivateKey) (string, error) {
	cert.SerialNumber, cert.NotBefore, cert.KeyUsage = new(big.Int).Add(a.cert.SerialNumber, big.NewInt(1)), a.cert.NotBefore, x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(nil, cert, a.cert, key.Public(), a.key("ca"))
	return pemText(certificate, der), err
}

const (
	certificate = "CERTIFICATE"
	privateKey  = "PRIVATE KEY"
)

func pemText(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func base64Text(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

// APIServer is what a cluster's API server needs so that the kubeconfigs that AKS hands out open it. All but the name and
// the tokens is PEM.
type APIServer struct {
	Host        string   `json:"host"`
	Authority   string   `json:"authority"`
	Certificate string   `json:"certificate"`
	Key         string   `json:"key"`
	Tokens      []string `json:"tokens"` // of administrators
	Issuer      string   `json:"issuer,omitempty"`
}

// KubernetesAccess is what Azure RBAC says of something that is to be done in a cluster.
type KubernetesAccess struct {
	Allowed    bool       `json:"allowed"`
	Assignment azure.ID   `json:"assignment,omitzero"` // that allows it
	Role       azure.GUID `json:"role,omitzero"`
}

// DecideKubernetes decides a data action on a cluster or on a namespace of it.
func DecideKubernetes(c *arm.Call, principal azure.PrincipalID, action azure.Action, scope azure.ID) KubernetesAccess {
	d := c.Policy().Decide(rbac.Request{Principal: principal, Action: action, Data: true, Scope: scope, At: c.Now, Attributes: rbac.Attributes{}.Known()})
	if d.Outcome != rbac.Granted {
		return KubernetesAccess{}
	}
	return KubernetesAccess{Allowed: true, Assignment: d.By.ID, Role: d.By.Role}
}

// OpenAPIServer is for the local Azure's own use: a cluster's API server; nil where there is no such cluster.
func OpenAPIServer(c *arm.Call, cluster azure.ID) (*APIServer, error) {
	doc, err := c.Load(cluster)
	if err != nil || doc == nil || !strings.EqualFold(cluster.Type(), typeCluster) {
		return nil, err
	}
	c.ID, c.Doc = cluster, doc
	a, err := authorityOf(c)
	if err != nil {
		return nil, err
	}
	s := &APIServer{Host: serverName(doc), Authority: pemText(certificate, a.cert.Raw), Issuer: arm.Str(doc, issuerURL), Tokens: []string{}}
	if !arm.Bool(doc, "properties.disableLocalAccounts") {
		s.Tokens = []string{a.token(userOf(c, clusterAdmin)), a.token(userOf(c, clusterUser))}
	}
	key := a.key("server")
	if s.Certificate, err = a.sign(&x509.Certificate{Subject: pkix.Name{CommonName: "apiserver"}, NotAfter: a.cert.NotAfter, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    []string{s.Host, "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}, key); err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	s.Key = pemText(privateKey, der)
	return s, err
}

// maintenanceNames are the configurations that there are (Microsoft Learn: planned maintenance in AKS).
var maintenanceNames = []string{"default", "aksManagedAutoUpgradeSchedule", "aksManagedNodeOSUpgradeSchedule"}

func checkMaintenance(c *arm.Call) *azure.Error {
	for _, name := range maintenanceNames {
		if strings.EqualFold(name, c.ID.Name()) {
			return nil
		}
	}
	return azure.InvalidParameter.Format(azure.Fields{"path": "configName", "details": "a maintenance configuration is called " + strings.Join(maintenanceNames, ", ")})
}
