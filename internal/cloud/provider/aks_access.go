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
	"strings"
	"text/template"
	"time"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
)

// How people reach a cluster's API server: kubeconfigs, as AKS hands them out. There is no API server behind them.

func adminCredential(c *arm.Call) (any, *azure.Error) {
	if arm.Bool(c.Doc, "properties.disableLocalAccounts") {
		return nil, azure.LocalAccountsDisabled.Error()
	}
	return credential(c, "clusterAdmin", staticUser)
}

// userCredential names Entra's login where the cluster has it, and a client certificate elsewhere.
func userCredential(c *arm.Call) (any, *azure.Error) {
	switch {
	case arm.Bool(c.Doc, "properties.aadProfile.managed"):
		return credential(c, "clusterUser", entraUser)
	case arm.Bool(c.Doc, "properties.disableLocalAccounts"):
		return nil, azure.LocalAccountsDisabled.Error()
	}
	return credential(c, "clusterUser", staticUser)
}

func monitoringCredential(c *arm.Call) (any, *azure.Error) {
	return credential(c, "clusterMonitoringUser", staticUser)
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
	server := arm.Str(c.Doc, "properties.fqdn")
	if server == "" {
		server = arm.Str(c.Doc, "properties.privateFQDN")
	}
	name := arm.Str(c.Doc, "name")
	values := map[string]string{"Name": name, "Server": server, "Tenant": c.Tenant().String(),
		"User": role + "_" + c.ID.ResourceGroup() + "_" + name}
	if err := addKeys(values, c.Doc); err != nil {
		return nil, arm.Fault(err)
	}
	var b bytes.Buffer
	if err := template.Must(template.New(role).Parse(kubeconfig+user)).Execute(&b, values); err != nil {
		return nil, arm.Fault(err)
	}
	return arm.Doc{"kubeconfigs": []any{arm.Doc{"name": role, "value": base64.StdEncoding.EncodeToString(b.Bytes())}}}, nil
}

// addKeys fills in a kubeconfig's certificates and token. They open nothing, so they are computed from the cluster's uid:
// the same whenever they are asked for, as clients that merge kubeconfigs expect.
func addKeys(values map[string]string, cluster arm.Doc) error {
	uid := arm.Str(cluster, "properties.resourceUID")
	created, err := time.Parse(time.RFC3339Nano, arm.Str(cluster, "_.systemData.createdAt"))
	if err != nil {
		return err
	}
	authority, client := seeded(uid), seeded(uid+values["User"])
	ca := &x509.Certificate{SerialNumber: big.NewInt(created.Unix()), Subject: pkix.Name{CommonName: "ca"}, NotBefore: created.Add(-10 * time.Minute),
		NotAfter: created.AddDate(30, 0, 0), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	user := &x509.Certificate{SerialNumber: big.NewInt(created.Unix() + 1), Subject: pkix.Name{CommonName: values["User"]}, NotBefore: ca.NotBefore,
		NotAfter: created.AddDate(2, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	for name, cert := range map[string]struct {
		template *x509.Certificate
		key      ed25519.PrivateKey
	}{"Authority": {ca, authority}, "Cert": {user, client}} {
		der, err := x509.CreateCertificate(nil, cert.template, ca, cert.key.Public(), authority)
		if err != nil {
			return err
		}
		values[name] = pemText("CERTIFICATE", der)
	}
	der, err := x509.MarshalPKCS8PrivateKey(client)
	values["Key"] = pemText("PRIVATE KEY", der)
	token := sha512.Sum512([]byte(uid + values["User"]))
	values["Token"] = hex.EncodeToString(token[:])
	return err
}

func seeded(text string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte(text))
	return ed25519.NewKeyFromSeed(seed[:])
}

func pemText(kind string, der []byte) string {
	return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
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
