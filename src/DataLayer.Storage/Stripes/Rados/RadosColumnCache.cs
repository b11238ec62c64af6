namespace DataLayer.Storage.Stripes.Rados;

/// <summary>
/// The columns whose heads are known, least recently used first out; one with something to flush stays. Its lock is a
/// leaf.
/// </summary>
internal sealed class RadosColumnCache(int limitCount)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<ColumnId, LinkedListNode<RadosColumn>> _columns = [];
    private readonly LinkedList<RadosColumn> _order = new();

    /// <summary>The column of a name, loaded or not.</summary>
    /// <param name="id">The column.</param>
    /// <param name="surplus">One with something to flush, where there are far more than there should be; else
    /// null.</param>
    internal RadosColumn Get(in ColumnId id, out RadosColumn? surplus)
    {
        lock (_gate)
        {
            surplus = null;
            if (_columns.TryGetValue(id, out LinkedListNode<RadosColumn>? node))
            {
                if (node != _order.First)
                {
                    _order.Remove(node);
                    _order.AddFirst(node);
                }

                return node.Value;
            }

            TrimLocked();
            surplus = _columns.Count >= limitCount ? _order.Last?.Value : null;
            node = _order.AddFirst(new RadosColumn(id));
            _columns.Add(id, node);
            return node.Value;
        }
    }

    /// <summary>Forgets a column that is gone or could not be loaded.</summary>
    internal void Drop(RadosColumn column)
    {
        lock (_gate)
        {
            if (_columns.TryGetValue(column.Id, out LinkedListNode<RadosColumn>? node) && node.Value == column)
            {
                RemoveLocked(node);
            }
        }
    }

    /// <summary>Forgets all that have nothing to flush.</summary>
    internal void Clear()
    {
        lock (_gate)
        {
            for (LinkedListNode<RadosColumn>? node = _order.First; node is not null;)
            {
                LinkedListNode<RadosColumn>? next = node.Next;
                if (!node.Value.IsDirty)
                {
                    RemoveLocked(node);
                }

                node = next;
            }
        }
    }

    private void TrimLocked()
    {
        int tries = 16;
        for (LinkedListNode<RadosColumn>? node = _order.Last;
            node is not null && _columns.Count >= limitCount && tries-- > 0;)
        {
            LinkedListNode<RadosColumn>? before = node.Previous;
            if (node.Value.IsDirty)
            {
                _order.Remove(node);
                _order.AddFirst(node);
            }
            else
            {
                RemoveLocked(node);
            }

            node = before;
        }
    }

    private void RemoveLocked(LinkedListNode<RadosColumn> node)
    {
        _columns.Remove(node.Value.Id);
        _order.Remove(node);
    }
}
