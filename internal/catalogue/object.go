package catalogue

import (
	"strings"

	"aksid/internal/estate"
)

// nouns are what a person calls the kinds of objects that ask something of Azure.
var nouns = map[string]string{"Service": "service", "PersistentVolume": "volume", "StorageClass": "storage class", "ServiceAccount": "service account"}

// Named is a Kubernetes object as a person calls it.
func Named(o estate.KubeObject) string { return nouns[o.Kind] + " " + o.String() }

// Asks is what a Kubernetes object asks of Azure, in words that are the same for its counterpart in another cluster; "" where it
// asks for nothing.
func Asks(c *estate.Cluster, o estate.KubeObject) string {
	switch o.Kind {
	case "Service":
		return serviceAsks(c, o)
	case "StorageClass":
		return classAsks(c, o)
	case "ServiceAccount":
		if o.ClientAnnotation() != "" {
			return "an identity"
		}
	}
	return ""
}

func serviceAsks(c *estate.Cluster, o estate.KubeObject) string {
	if o.Text("spec.type") != "LoadBalancer" {
		return ""
	}
	asks := []string{"a public load balancer"}
	if o.Annotation(annotationInternal) == "true" {
		asks[0] = "an internal load balancer"
		if o.Annotation(annotationInternalSubnet) != "" {
			asks = append(asks, "in a subnet that it names")
		}
	}
	if !foreignGroup(c, o.Annotation(annotationGroup)).IsZero() {
		asks = append(asks, "addresses in another resource group")
	}
	if o.Annotation(annotationPrivateLink) == "true" {
		asks = append(asks, "a private link service")
	}
	return strings.Join(asks, ", ")
}

// drivers are what the drivers of storage classes make.
var drivers = map[string]string{diskDriver: "disks", fileDriver: "file shares", "blob.csi.azure.com": "blob containers"}

func classAsks(c *estate.Cluster, o estate.KubeObject) string {
	makes, ok := drivers[o.Text("provisioner")]
	if !ok {
		return ""
	}
	asks := []string{makes}
	if !foreignGroup(c, o.Text("parameters.resourceGroup")).IsZero() {
		asks = append(asks, "in another resource group")
	}
	if o.Text("parameters.storageAccount") != "" {
		asks = append(asks, "in a storage account that it names")
	}
	if o.Text("parameters.diskEncryptionSetID") != "" {
		asks = append(asks, "with a customer's key")
	}
	return strings.Join(asks, ", ")
}
