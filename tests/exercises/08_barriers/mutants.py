"""Mistakes that the tests of 08_barriers must notice: edits of solution.py, or whole files."""

MUTANTS = {
    "empty body": "def barriers(): pass\ndef rescan(): pass\ndef stacks_first(): pass\n",
    "hybrid stores first": [
        ('["shade old", "shade new", "store"]', '["store", "shade old", "shade new"]')
    ],
    "hybrid as the pseudo-code has it": [
        ('["shade old", "shade new", "store"]', '["store", "shade new"]')
    ],
    "hybrid shades the old one last": [
        ('["shade old", "shade new", "store"]', '["shade new", "store", "shade old"]')
    ],
    "dijkstra stores first": [
        ('"dijkstra": ["shade new", "store"]', '"dijkstra": ["store", "shade new"]')
    ],
    "yuasa stores first": [('"yuasa": ["shade old", "store"]', '"yuasa": ["store", "shade old"]')],
    "dijkstra and yuasa exchanged": [
        ('"dijkstra": ["shade new", "store"]', '"dijkstra": ["shade old", "store"]'),
        ('"yuasa": ["shade old", "store"]', '"yuasa": ["shade new", "store"]'),
    ],
    "steele shades before the store": [('["store", "shade source"]', '["shade source", "store"]')],
    "no second scan for dijkstra": [('{"dijkstra", "steele"}', '{"steele"}')],
    "no second scan for steele": [('{"dijkstra", "steele"}', '{"dijkstra"}')],
    "a second scan for all": [
        ('{"dijkstra", "steele"}', '{"dijkstra", "steele", "hybrid", "yuasa"}')
    ],
    "yuasa with stacks one by one": [('    return {"yuasa"}', "    return set()")],
    "hybrid with all stacks at once": [('    return {"yuasa"}', '    return {"yuasa", "hybrid"}')],
    "stores twice": [
        ('["shade old", "shade new", "store"]', '["store", "shade old", "shade new", "store"]')
    ],
    "none shades": [('"none": ["store"]', '"none": ["shade new", "store"]')],
}
