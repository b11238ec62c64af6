using System.Collections.Immutable;
using DataLayer.Core.Identity;
using DataLayer.Engine.Files.Nodes;

namespace DataLayer.Engine.Files.State;

/// <summary>
/// Tells observers what changed, except what they changed themselves. Free of cost while there is none.
/// </summary>
internal sealed class ChangeFeed
{
    private ImmutableArray<Subscription> _observers = [];

    public bool HasObservers => !_observers.IsEmpty;

    public IDisposable Add(INodeObserver observer, object origin)
    {
        Subscription made = new(this, observer, origin);
        ImmutableInterlocked.Update(ref _observers, static (all, one) => all.Add(one), made);
        return made;
    }

    public void Tell(List<(InodeId Inode, string? Name)> changes, bool all, object? origin)
    {
        foreach (Subscription subscription in _observers)
        {
            if (ReferenceEquals(subscription.Origin, origin))
            {
                continue;
            }

            if (all)
            {
                subscription.Observer.AllChanged();
                continue;
            }

            foreach ((InodeId inode, string? name) in changes)
            {
                if (name is null)
                {
                    subscription.Observer.AttributesChanged(inode);
                }
                else
                {
                    subscription.Observer.NameChanged(inode, name);
                }
            }
        }
    }

    public void TellContent(InodeId inode, object? origin)
    {
        foreach (Subscription subscription in _observers)
        {
            if (!ReferenceEquals(subscription.Origin, origin))
            {
                subscription.Observer.ContentChanged(inode);
            }
        }
    }

    private sealed class Subscription(ChangeFeed feed, INodeObserver observer, object origin) : IDisposable
    {
        public INodeObserver Observer => observer;

        public object Origin => origin;

        public void Dispose() =>
            ImmutableInterlocked.Update(ref feed._observers, static (all, one) => all.Remove(one), this);
    }
}
