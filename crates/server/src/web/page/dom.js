// Nodes of the page. Text that comes from elsewhere gets into it through textContent alone.

export const $ = (id) => document.getElementById(id);

// A new element; `children` are nodes or text.
export function el(name, properties = {}, ...children) {
  const node = Object.assign(document.createElement(name), properties);
  node.append(...children);
  return node;
}

// Writes only what differs, so that nothing is laid out again for nothing.
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setClass(node, name, on) {
  if (node.classList.contains(name) !== Boolean(on)) node.classList.toggle(name, Boolean(on));
}

// Makes the children of `parent` those of `items`, in order. A node stays as long as its key does, with
// the focus that may be in it.
export function keyed(parent, items, keyOf, make, update) {
  const known = (parent.known ??= new Map());
  const focused = parent.contains(document.activeElement) ? document.activeElement : null;
  const wanted = new Set(items.map(keyOf));
  for (const [key, node] of known) {
    if (wanted.has(key)) continue;
    node.remove();
    known.delete(key);
  }
  items.forEach((item, index) => {
    const key = keyOf(item);
    let node = known.get(key);
    if (!node) known.set(key, (node = make(item)));
    update(node, item);
    if (parent.children[index] !== node) parent.insertBefore(node, parent.children[index] ?? null);
  });
  if (focused && focused !== document.activeElement && parent.contains(focused)) focused.focus();
}

// Fills a table. A column is { title, cell(node, item), number, wide, sort }; `onSort` hears of a column
// whose head is pressed, `sorted` is the one that rules.
export function table(node, columns, items, keyOf, sorting) {
  const [head, body] = [node.tHead, node.tBodies[0]];
  if (!head.rows.length) {
    head.append(el("tr", {}, ...columns.map((column) => headCell(column, sorting))));
  }
  columns.forEach((column, index) => {
    const order = sorting?.by === column.sort && column.sort ? sorting.order : null;
    const cell = head.rows[0].cells[index];
    if (order) cell.setAttribute("aria-sort", order);
    else cell.removeAttribute("aria-sort");
  });
  const make = (item) => {
    const row = el("tr");
    for (const column of columns) {
      const cell = el("td", { className: classes(column) });
      column.make?.(cell, item);
      row.append(cell);
    }
    return row;
  };
  keyed(body, items, keyOf, make, (row, item) => {
    row.item = item;
    columns.forEach((column, index) => column.cell?.(row.cells[index], item));
  });
}

function headCell(column, sorting) {
  const cell = el("th", { scope: "col", className: classes(column) });
  if (column.sort && sorting) {
    cell.append(el("button", { type: "button", onclick: () => sorting.press(column.sort) }, column.title));
  } else if (column.unseen) {
    cell.append(el("span", { className: "unseen" }, column.title));
  } else {
    cell.append(column.title);
  }
  return cell;
}

function classes(column) {
  return [column.number && "number", column.wide && "wide", column.className].filter(Boolean).join(" ");
}
