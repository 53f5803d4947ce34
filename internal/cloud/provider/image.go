package provider

import (
	"iter"
	"regexp"
	"slices"
	"strings"

	"aksid/internal/azure"
	"aksid/internal/cloud/arm"
)

// image is a platform image that machines are made from: publisher, offer, SKU, version.
type image struct {
	urn        [4]string
	system     string
	generation string
}

// platformImages are the images that az has short names for, and a few more; Azure has thousands.
var platformImages = []image{
	{[4]string{"Canonical", "0001-com-ubuntu-server-jammy", "22_04-lts", "22.04.202511120"}, "Linux", "V1"},
	{[4]string{"Canonical", "0001-com-ubuntu-server-jammy", "22_04-lts-gen2", "22.04.202511120"}, "Linux", "V2"},
	{[4]string{"Canonical", "ubuntu-24_04-lts", "server", "24.04.202511120"}, "Linux", "V2"},
	{[4]string{"Canonical", "UbuntuServer", "18.04-LTS", "18.04.202401161"}, "Linux", "V1"},
	{[4]string{"Debian", "debian-10", "10", "0.20240703.1797"}, "Linux", "V1"},
	{[4]string{"Debian", "debian-12", "12", "0.20251112.2294"}, "Linux", "V1"},
	{[4]string{"OpenLogic", "CentOS", "7.5", "7.5.201808150"}, "Linux", "V1"},
	{[4]string{"RedHat", "RHEL", "7-LVM", "7.9.2023032012"}, "Linux", "V1"},
	{[4]string{"SUSE", "opensuse-leap-15-3", "gen2", "2022.11.04"}, "Linux", "V2"},
	{[4]string{"kinvolk", "flatcar-container-linux-free", "stable", "3815.2.5"}, "Linux", "V1"},
	{[4]string{"MicrosoftWindowsServer", "WindowsServer", "2022-Datacenter", "20348.4405.251112"}, "Windows", "V1"},
	{[4]string{"MicrosoftWindowsServer", "WindowsServer", "2019-Datacenter", "17763.8027.251112"}, "Windows", "V1"},
	{[4]string{"MicrosoftWindowsServer", "WindowsServer", "2016-Datacenter", "14393.8594.251112"}, "Windows", "V1"},
}

// images are the reads of the image catalogue: it goes down from publishers over offers and SKUs to versions.
func images() []arm.Type {
	var types []arm.Type
	for _, below := range []string{"publishers", "publishers/artifacttypes/offers", "publishers/artifacttypes/offers/skus", "publishers/artifacttypes/offers/skus/versions"} {
		types = append(types, arm.Type{Name: computeRP + "/locations/" + below, Place: arm.InSubscription, ReadOnly: true, Bare: true, Get: getImage, List: listImages})
	}
	return types
}

// imagePath is where in the catalogue an id points to: the location, and the parts of the name that it has.
func imagePath(id azure.ID) (location string, urn []string) {
	_, _, names := id.Split()
	for i, n := range names[1:] {
		if i != 1 { // the kind of artifact
			urn = append(urn, n)
		}
	}
	return names[0], urn
}

func (i image) under(urn []string) bool {
	for n, part := range urn {
		if !strings.EqualFold(i.urn[n], part) {
			return false
		}
	}
	return true
}

// entry is what the catalogue says at the depth of a name; below is the path that leads from id to the next part.
func (i image) entry(id azure.ID, location string, depth int) arm.Doc {
	return arm.Doc{"location": location, "name": i.urn[depth], "id": strings.Replace(strings.Replace(strings.Replace(id.String(), "/subscriptions/", "/Subscriptions/", 1),
		"/providers/", "/Providers/", 1), "/publishers/", "/Publishers/", 1)}
}

// properties are those of one version, which lists do not show.
func (i image) properties() arm.Doc {
	gib := 30
	if i.system == "Windows" {
		gib = 127
	}
	return arm.Doc{"osDiskImage": arm.Doc{"operatingSystem": i.system, "sizeInGb": gib, "sizeInBytes": gib<<30 + 512}, "dataDiskImages": []any{},
		"hyperVGeneration": i.generation, "architecture": "x64", "replicaType": "Managed", "disallowed": arm.Doc{"vmDiskType": "Unmanaged"},
		"automaticOSUpgradeProperties": arm.Doc{"automaticOSUpgradeSupported": true}, "imageDeprecationStatus": arm.Doc{"imageState": "Active"}}
}

// imageVersion is the form of an image's version.
var imageVersion = regexp.MustCompile(`^\d+\.\d+\.\d+(\.\d+)?$`)

func getImage(c *arm.Call) (arm.Doc, *azure.Error) {
	location, urn := imagePath(c.ID)
	for _, i := range platformImages {
		if len(urn) == len(i.urn) && strings.EqualFold(urn[3], "latest") {
			urn[3] = i.urn[3]
		}
		if len(urn) == len(i.urn) && i.under(urn[:3]) && imageVersion.MatchString(urn[3]) {
			i.urn[3] = urn[3] // Azure has hundreds of each
		}
		if i.under(urn) {
			d := i.entry(c.ID, location, len(urn)-1)
			if len(urn) == len(i.urn) {
				d["properties"] = i.properties()
			}
			return d, nil
		}
	}
	return nil, azure.ImageNotFound.Format(azure.Fields{"image": strings.Join(urn, ":")})
}

// exactVersion is the version that an image's reference means.
func exactVersion(ref arm.Doc) string {
	urn := []string{arm.Str(ref, "publisher"), arm.Str(ref, "offer"), arm.Str(ref, "sku")}
	if version := arm.Str(ref, "version"); !strings.EqualFold(version, "latest") {
		return version
	}
	for _, i := range platformImages {
		if i.under(urn) {
			return i.urn[3]
		}
	}
	return "1.0.0"
}

func listImages(c *arm.Call) iter.Seq2[arm.Doc, error] {
	location, urn := imagePath(c.ID)
	part := c.Type.Name[strings.LastIndexByte(c.Type.Name, '/')+1:]
	return func(yield func(arm.Doc, error) bool) {
		var seen []string
		for _, i := range platformImages {
			if !i.under(urn) || slices.Contains(seen, i.urn[len(urn)]) {
				continue
			}
			seen = append(seen, i.urn[len(urn)])
			if !yield(i.entry(c.ID.Join(part, i.urn[len(urn)]), location, len(urn)), nil) {
				return
			}
		}
	}
}
