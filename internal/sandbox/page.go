package sandbox

import (
	"encoding/base64"
	"maps"
	"slices"
	"strings"
)

// page returns the requested page of items, which are sorted by their unique key.
// The marker is the last key of the previous page, so that changes between two
// pages do not hide items. The elements for the response are IsTruncated and, if
// there is more, Marker.
//
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListRoles.html:
// MaxItems is 1 to 1000 and 100 by default, and fewer may be returned.
func page[T any](r *request, items []T, key func(T) string) ([]T, []element, *apiError) {
	size := r.integer("MaxItems", 1, 1000, 100)
	marker := r.optional("Marker", 1, 4096)
	if err := r.invalid(); err != nil {
		return nil, nil, err
	}
	if limit := r.world.PageLimit; limit > 0 {
		size = min(size, limit)
	}
	byKey := make(map[string]T, len(items))
	for _, item := range items {
		byKey[key(item)] = item
	}
	keys := slices.Sorted(maps.Keys(byKey))
	if marker != "" {
		plain, err := base64.RawURLEncoding.DecodeString(marker)
		last, ours := strings.CutPrefix(string(plain), r.action+" ")
		if err != nil || !ours {
			return nil, nil, validationError("Invalid Marker.")
		}
		i, found := slices.BinarySearch(keys, last)
		if found {
			i++
		}
		keys = keys[i:]
	}
	more := len(keys) > size
	keys = keys[:min(size, len(keys))]
	items = make([]T, len(keys))
	for i, k := range keys {
		items[i] = byKey[k]
	}
	if !more {
		return items, []element{boolean("IsTruncated", false)}, nil
	}
	next := base64.RawURLEncoding.EncodeToString([]byte(r.action + " " + keys[size-1]))
	return items, []element{boolean("IsTruncated", true), text("Marker", next)}, nil
}
