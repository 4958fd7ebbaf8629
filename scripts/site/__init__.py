"""The site: what `make site` assembles from docs/, labs/ and results/ before Sphinx builds it. Nothing is executed."""
