"""The one style sheet of a printed report: black on white, readable without colour, broken where a page may break."""

CSS = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { font: 13px/1.4 system-ui, "Liberation Sans", sans-serif; color: #000; background: #fff; max-width: 1100px;
  margin: 0 auto; padding: 16px; }
h1 { font-size: 22px; margin: 0 0 8px; }
h2 { font-size: 16px; margin: 20px 0 6px; border-bottom: 1px solid #000; }
p { margin: 4px 0; }
table { border-collapse: collapse; width: 100%; margin: 6px 0 12px; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: bold; padding: 2px 0; caption-side: top; }
th, td { border: 1px solid #777; padding: 2px 6px; text-align: left; vertical-align: top; overflow-wrap: break-word; }
td:last-child { overflow-wrap: anywhere; }
thead th { background: #eee; }
tbody th { font-weight: normal; white-space: nowrap; }
.facts tbody th { font-weight: bold; width: 22%; }
.record td { text-align: right; white-space: nowrap; }
.record td:last-child { text-align: left; white-space: normal; }
.mode { border: 4px double #000; font-size: 26px; font-weight: bold; text-align: center;
  padding: 6px; margin: 0 0 10px; }
.warning { border: 3px solid #000; font-weight: bold; padding: 6px 8px; margin: 0 0 10px; }
.chart { width: 100%; height: auto; display: block; }
figure { margin: 6px 0 12px; }
figcaption { font-size: 12px; }
footer { margin-top: 20px; border-top: 1px solid #000; font-size: 12px; overflow-wrap: anywhere; }
article + article { border-top: 6px double #000; margin-top: 30px; padding-top: 20px; }
@page { size: A4; margin: 14mm 12mm; }
@media print {
  body { max-width: none; padding: 0; font-size: 10px; }
  thead { display: table-header-group; }
  tr, figure { break-inside: avoid; }
  h2, caption { break-after: avoid; }
  article + article { break-before: page; border-top: 0; }
}
"""
