package policy

import (
	"bufio"
	"bytes"
	"compress/gzip"
	_ "embed"
	"strings"
	"sync"

	"aksid/internal/azure"
)

// The aliases of resource types that matter for clusters, as Azure lists them (Get-AzPolicyAlias, August 2026): a line for a
// type, then one for each alias after it, begun by a tab: its name without the type and, behind another tab, its path in the
// document where that is not what the name says.
//
//go:embed aliases.txt.gz
var aliasFile []byte

// aliasList are the aliases of one type.
type aliasList struct {
	typ   string
	names []string            // whole, as Azure has them
	paths map[string][]string // members, by the lower-cased name without the type; nil: what the name says
}

// aliases are the lists, by lower-cased type.
var aliases = sync.OnceValue(func() map[string]*aliasList {
	r, err := gzip.NewReader(bytes.NewReader(aliasFile))
	if err != nil {
		panic(err) // the file is part of the program
	}
	all := map[string]*aliasList{}
	var list *aliasList
	for lines := bufio.NewScanner(r); lines.Scan(); {
		entry, ok := strings.CutPrefix(lines.Text(), "\t")
		if !ok {
			list = &aliasList{typ: entry, paths: map[string][]string{}}
			all[strings.ToLower(entry)] = list
			continue
		}
		name, path, _ := strings.Cut(entry, "\t")
		list.names = append(list.names, list.typ+"/"+name)
		list.paths[strings.ToLower(name)] = members(path)
	}
	return all
})

// listed is where an alias is by Azure's list; ok is false for one that Azure does not have. Types that are not in the list have
// whatever is asked for.
func listed(typ, name string) (path []string, ok bool) {
	list := aliases()[strings.ToLower(typ)]
	if list == nil {
		return nil, true
	}
	path, ok = list.paths[strings.ToLower(name)]
	return path, ok
}

// exists refuses an alias that Azure does not have.
func (p *parser) exists(name string) {
	slash := strings.LastIndexByte(name, '/')
	if slash < 0 || strings.Contains(name, "['") || legacyAliases[strings.ToLower(name)] != "" {
		return
	}
	typ := name[:slash]
	if _, ok := listed(typ, name[slash+1:]); !ok {
		provider, rest, _ := strings.Cut(typ, "/")
		panic(parseFault{azure.InvalidPolicyAlias.Format(azure.Fields{"policy": p.policy, "alias": clip(name), "provider": provider, "type": rest,
			"aliases": strings.Join(aliases()[strings.ToLower(typ)].names, "; ")})})
	}
}
