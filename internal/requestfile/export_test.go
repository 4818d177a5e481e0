package requestfile

// Fields are the fields of setup's structs that keys of the file fill, each once.
func Fields() []string {
	seen := map[string]bool{}
	var out []string
	for _, t := range []table{topTable, defaultsTable, appTable, roleTable, memberTable, inlineTable} {
		for _, k := range t.keys {
			if k.field != "" && !seen[k.field] {
				seen[k.field] = true
				out = append(out, k.field)
			}
		}
	}
	return out
}
