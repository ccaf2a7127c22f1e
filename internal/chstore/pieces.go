package chstore

import "iter"

// arrayBytesMax is how much text a parameter that is a list is given. ClickHouse takes
// 128 KiB in a field of an HTTP request (http_max_field_value_size) and 1 MiB in its URL
// (http_max_uri_size), where each byte may become three.
const arrayBytesMax = 48 << 10

// arrayItemsMax bounds lists of short texts, of which quotes and commas are a large part.
const arrayItemsMax = 2000

// Pieces divides a list into pieces that can each be a parameter of a statement, as a list
// of texts or of numbers. text gives the longest text that an item becomes there.
func Pieces[T any](list []T, text func(T) string) iter.Seq[[]T] {
	return func(yield func([]T) bool) {
		begin, size := 0, 0
		for i, item := range list {
			n := len(text(item))
			if i > begin && (size+n > arrayBytesMax || i-begin == arrayItemsMax) {
				if !yield(list[begin:i:i]) {
					return
				}
				begin, size = i, 0
			}
			size += n
		}
		if begin < len(list) {
			yield(list[begin:])
		}
	}
}
